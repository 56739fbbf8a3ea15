import type { OptionSpec, ValuesOf } from './options.ts';

export interface OperandSpec {
  readonly label: string;
  readonly least: 0 | 1;
  readonly many: boolean;
  /** URLs get a warning when they hold a password. */
  readonly url: boolean;
  readonly help: string;
}

export interface CommandSpec {
  /** One word, or two: `source prepare`. */
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly operand?: OperandSpec;
  readonly options: readonly OptionSpec[];
  readonly examples: readonly { readonly says: string; readonly line: string }[];
  /** Its work happens in a process of its own, which is started while the arguments are still being read. */
  readonly runs: boolean;
}

/** What the parser made of a command line. */
export interface Call<Spec extends CommandSpec> {
  readonly values: ValuesOf<Spec['options']>;
  readonly operands: readonly string[];
}
