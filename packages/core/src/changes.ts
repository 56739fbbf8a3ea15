/**
 * The lines of a `changes` chunk, each a JSON array. Transactions stand in the order of their commits, whole, and
 * never interleaved. A relation is declared once per chunk before its first change, and again when its shape changed.
 *
 *     ["relation", n, path, [column, ...], [key column, ...]]
 *     ["begin"]
 *     ["insert", n, [value, ...]]
 *     ["update", n, [old key value, ...] | null, [value, ...]]     null: the key is as before
 *     ["delete", n, [key value, ...]]
 *     ["truncate", n]
 *     ["commit", position, timeMs]
 *
 * Values are as in `rows` chunks; `{}` stands for a value that the update did not touch and the log does not carry.
 */
export type Value = string | number | null | Readonly<Record<string, string>>;
export type KeepValue = Readonly<Record<string, never>>;

export type ChangeLine =
  | readonly ['relation', number, string, readonly string[], readonly string[]]
  | readonly ['begin']
  | readonly ['insert', number, readonly Value[]]
  | readonly ['update', number, readonly Value[] | null, readonly (Value | KeepValue)[]]
  | readonly ['delete', number, readonly Value[]]
  | readonly ['truncate', number]
  | readonly ['commit', string, number];
