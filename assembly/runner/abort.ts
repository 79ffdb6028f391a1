/** Contract violations return status codes; what still aborts is a defect, and traps without a message. */
export function abort(_message: usize, _file: usize, _line: u32, _column: u32): void {
  unreachable();
}
