/**
 * Digests of what every self-test case gives in double precision, by kernel and output. Made by
 * test/kernels/self-test.test.ts from the float64 twins (DIFFTUNE_UPDATE=1 writes it anew); the test fails when stale.
 */
export const expectedDigests: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
};
