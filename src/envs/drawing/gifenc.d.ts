/** The part of gifenc that is used; the package brings no types. */
declare module "gifenc" {
  export type Palette = readonly (readonly number[])[];
  export interface GifStream {
    writeFrame(
      pixels: Uint8Array,
      width: number,
      height: number,
      options: { readonly palette?: Palette; readonly delay?: number; readonly repeat?: number },
    ): void;
    finish(): void;
    bytes(): Uint8Array<ArrayBuffer>;
  }
  export interface Gifenc {
    readonly GIFEncoder: () => GifStream;
    readonly quantize: (pixels: Uint8Array | Uint8ClampedArray, colours: number) => Palette;
    readonly applyPalette: (pixels: Uint8Array | Uint8ClampedArray, palette: Palette) => Uint8Array;
  }
  /** Node sees the CommonJS build, whose exports are the default alone; bundlers see the module, which has them by name. */
  export const GIFEncoder: Gifenc["GIFEncoder"] | undefined;
  export const quantize: Gifenc["quantize"] | undefined;
  export const applyPalette: Gifenc["applyPalette"] | undefined;
  const library: Gifenc;
  export { library as default };
}
