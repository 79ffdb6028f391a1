/**
 * What all reproductions say of cells. A cell is one training or measurement with everything that decides its numbers, as plain
 * data with an `id`: equal cells are equal JSON.
 */
import { isDeepStrictEqual } from "node:util";

/**
 * The cells whose results a cell needs.
 *
 * @param {{ readonly base?: string, readonly policy?: string, readonly policies?: readonly string[], readonly needs?: readonly string[] }} cell
 * @returns {string[]}
 */
export function needsOf({ base, policy, policies = [], needs = [] }) {
  return [base, policy, ...policies, ...needs].filter((id) => id !== undefined);
}

/** Whether what a file holds is this cell, trained with these options. */
export function isSame(stored, cell, options) {
  const plain = (value) => JSON.parse(JSON.stringify(value));
  return isDeepStrictEqual(plain({ cell: stored.cell, options: stored.options }), plain({ cell, options }));
}

/** Cells in an order in which each comes after those it needs. */
export function inOrder(cells) {
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const ordered = new Map();
  const place = (cell) => {
    for (const id of needsOf(cell)) place(byId.get(id));
    ordered.set(cell.id, cell);
  };
  for (const cell of cells) place(cell);
  return [...ordered.values()];
}
