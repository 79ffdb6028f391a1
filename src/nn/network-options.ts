import * as v from "valibot";
import { oneOf, wholeNumber } from "../core/options.js";
import { activations, type Activation } from "../kernels/nn/activation.js";

/** Elements of a vector that a network reads or writes. */
export const layerSize = wholeNumber(1, 1_048_576);

/** Sizes of layers; at least `least` of them. */
export function layerSizes(least: number) {
  return v.pipe(v.array(layerSize, "It must be a list of sizes."), v.minLength(least, `It must be a list of at least ${least} sizes.`));
}

const evenNumber = "It must be an even whole number from 4 to 65536.";

/** Elements of a feature of sines and cosines. */
export const evenSize = v.pipe(v.number(evenNumber), v.multipleOf(2, evenNumber), v.minValue(4, evenNumber), v.maxValue(65_536, evenNumber));

/** The name of an activation. */
export const activationName = oneOf(Object.keys(activations) as Activation[]);

/** Yes or no. */
export const flag = v.boolean("It must be true or false.");
