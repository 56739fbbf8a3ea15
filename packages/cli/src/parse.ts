import { HoldfastError } from '@holdfast/core';
import { Command, CommanderError, Option } from 'commander';
import { type Call, type CommandSpec, commands } from './commands.ts';
import { commandHelp, longTerm, optionTerm, programHelp } from './help.ts';
import { parseValue } from './option-values.ts';
import { commonOptions, type OptionSpec } from './options.ts';

export type Parsed =
  | {
      readonly kind: 'call';
      readonly spec: CommandSpec;
      readonly call: Call<CommandSpec>;
      readonly json: boolean;
    }
  | { readonly kind: 'help'; readonly text: string };

/**
 * Reads a command line by the tables.
 *
 * @throws HoldfastError config_invalid: what is wrong, and the nearest known name
 */
export function parse(argv: readonly string[]): Parsed {
  let help = '';
  let parsed: Parsed | undefined;
  const program = new Command('holdfast');
  strict(program, programHelp, (text) => {
    help += text;
  });
  for (const spec of commands) {
    const command = addCommand(program, spec);
    strict(
      command,
      () => commandHelp(spec),
      (text) => {
        help += text;
      },
    );
    command.action(() => {
      const values = readValues(command, [...spec.options, ...commonOptions]);
      parsed = {
        kind: 'call',
        spec,
        call: { values, operands: command.args } as never,
        json: values.json === true,
      };
    });
  }
  try {
    program.parse([...argv], { from: 'user' });
  } catch (caught) {
    if (!(caught instanceof CommanderError)) throw caught;
    // A bare `holdfast` asks for help too, though not by name.
    if (/^commander\.help/.test(caught.code)) return { kind: 'help', text: help || programHelp() };
    throw usageError(caught, argv);
  }
  return parsed ?? { kind: 'help', text: programHelp() };
}

/** Errors are thrown, not printed; help is handed over, not printed. */
function strict(command: Command, help: () => string, writeHelp: (text: string) => void): void {
  command
    .exitOverride()
    .configureOutput({ writeOut: writeHelp, writeErr: () => undefined })
    .configureHelp({ formatHelp: help })
    .helpCommand(false);
}

function addCommand(program: Command, spec: CommandSpec): Command {
  const [first = '', second] = spec.name.split(' ');
  let parent = program;
  if (second !== undefined) {
    const known = program.commands.find((command) => command.name() === first);
    parent = known ?? program.command(first);
    // An option after the second word is that one's, not its parent's.
    if (known) known.enablePositionalOptions();
    else strict(parent, programHelp, () => undefined);
  }
  const command = parent.command(second ?? first);
  const { operand } = spec;
  if (operand) {
    const name = operand.many ? `${operand.label}...` : operand.label;
    command.argument(operand.least > 0 ? `<${name}>` : `[${name}]`);
  }
  for (const option of [...spec.options, ...commonOptions]) command.addOption(toOption(option));
  return command;
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(`${spec.short ? `-${spec.short}, ` : ''}${longTerm(spec)}`);
  if (spec.type !== 'flag')
    option.argParser((text: string, before: unknown) => parseValue(spec, text, before));
  if (spec.excludes) option.conflicts(spec.excludes.map((name) => attributeOf(name)));
  return option;
}

function attributeOf(name: string): string {
  return new Option(`--${name}`).attributeName();
}

function readValues(command: Command, specs: readonly OptionSpec[]): Record<string, unknown> {
  const given = command.opts();
  const values: Record<string, unknown> = {};
  for (const spec of specs) {
    const value: unknown = given[attributeOf(spec.name)];
    if (spec.type === 'flag') {
      // Commander reads `--no-x` as the opposite of an option `x` that is on by default.
      values[spec.name] = spec.name.startsWith('no-') ? value === false : value === true;
    } else if (value === undefined && spec.default !== undefined) {
      values[spec.name] = parseValue(spec, spec.default, undefined);
    } else {
      // Not left to commander, which would complain of this before it sees that a name was misspelt.
      if (spec.required && value === undefined) throw missing(spec, command);
      values[spec.name] = value;
    }
  }
  return values;
}

function missing(spec: OptionSpec, command: Command): HoldfastError {
  const name = [command.parent?.name(), command.name()].filter((part) => part !== 'holdfast').join(' ');
  return new HoldfastError('config_invalid', `${optionTerm(spec)} is missing: ${spec.help}`, {
    hint: `see holdfast ${name} --help`,
  });
}

function usageError(caught: CommanderError, argv: readonly string[]): HoldfastError {
  const [first = '', ...more] = caught.message.replace(/^error: /, '').split('\n');
  const similar = /\((Did you mean .*)\)/.exec(more.join(' '))?.[1];
  const named = commands.filter((spec) => spec.name.split(' ')[0] === argv[0]);
  const about = named.length === 1 ? `holdfast ${named[0]?.name} --help` : 'holdfast --help';
  const hint = similar ? `${similar.replace(/^Did/, 'did')} See ${about}` : `see ${about}`;
  return new HoldfastError('config_invalid', first.replace(/^Expected/, 'expected').replace(/\.$/, ''), {
    hint,
  });
}
