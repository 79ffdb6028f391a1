// The flat list of exports of the physics module: numbers in, numbers out.
export * from "./avoid";
export * from "./batch";
export * from "./pusht";
export * from "./pusht-image";
export * from "./share";
export * from "./pusht-expert";
