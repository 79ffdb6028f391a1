/** difftune: fine-tune robot diffusion policies. The public names, and nothing else. */
export { DifftuneError, errorCodes, type ErrorCode, type ErrorFacts } from "./core/errors.js";
