import { type CommandSpec, commands } from './commands.ts';
import { commonOptions, type OptionSpec } from './options.ts';

const widthMax = 100;

/** `--workers <N>` */
export function longTerm(spec: OptionSpec): string {
  return spec.label === undefined ? `--${spec.name}` : `--${spec.name} <${spec.label}>`;
}

/** `-f, --file <FILE>` */
export function optionTerm(spec: OptionSpec): string {
  return spec.short === undefined ? longTerm(spec) : `-${spec.short}, ${longTerm(spec)}`;
}

/** What follows from a row of the table beside its help: default, range, choices, what it excludes. */
export function optionNotes(spec: OptionSpec): readonly string[] {
  const notes: string[] = [];
  if (spec.required) notes.push('required');
  if (spec.choices) notes.push(spec.choices.join(' or '));
  if (spec.range && spec.type === 'count') notes.push(`${spec.range[0]} to ${spec.range[1]}`);
  if (spec.excludes) notes.push(`not with ${spec.excludes.map((name) => `--${name}`).join(' or ')}`);
  if (spec.default !== undefined) notes.push(`default: ${spec.default}`);
  if (spec.otherwise !== undefined) notes.push(`default: ${spec.otherwise}`);
  return notes;
}

/** `holdfast check [PATH…] --at <URL> [options]` */
export function usageLine(spec: CommandSpec): string {
  const words = ['holdfast', spec.name];
  const { operand } = spec;
  if (operand) {
    const label = operand.many ? `${operand.label}…` : operand.label;
    words.push(operand.least > 0 ? label : `[${label}]`);
  }
  words.push(...spec.options.filter((option) => option.required).map(longTerm), '[options]');
  return words.join(' ');
}

export function commandHelp(spec: CommandSpec): string {
  const terms: [string, string][] = [...spec.options, ...commonOptions].map((option) => {
    const notes = optionNotes(option);
    return [optionTerm(option), notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`];
  });
  terms.push(['-h, --help', 'print this']);
  const parts = [`Usage: ${usageLine(spec)}`, fill(spec.description, 0)];
  if (spec.operand) parts.push(`Arguments:\n${glossary([[spec.operand.label, spec.operand.help]])}`);
  parts.push(`Options:\n${glossary(terms)}`);
  const examples = spec.examples.map(({ says, line }) => `  # ${says}\n  ${line}`);
  parts.push(`Examples:\n${examples.join('\n\n')}`);
  return `${parts.join('\n\n')}\n`;
}

export function programHelp(): string {
  return `Usage: holdfast COMMAND [options]

Backups of databases that are listed, checked and restored without anything but themselves.

Commands:
${glossary(commands.map((spec) => [spec.name, spec.summary]))}

Options:
${glossary([
  ['-V, --version', 'print the version'],
  ['-h, --help', "print this, or a command's own help: holdfast COMMAND --help"],
])}

URLs:
${glossary(urlForms.map(({ form, says }) => [form, says]))}

${fill(secretsNote, 0)}

Exit codes:
${glossary(exitCodes.map(({ code, means }) => [code, means]))}
`;
}

export const urlForms = [
  { form: 'postgres://[USER[:PASSWORD]@]HOST[,HOST…]/DATABASE', says: 'source: PostgreSQL' },
  { form: 'sqlite:PATH', says: 'source: an SQLite file' },
  { form: 'file:PATH', says: 'destination: a folder' },
] as const;

export const secretsNote =
  'In URLs, $' +
  '{env:NAME} stands for an environment variable and $' +
  '{file:PATH} for the content of a file: use them for passwords, because other users of a machine can see the arguments of its processes.';

export const exitCodes = [
  { code: '0', means: 'done' },
  { code: '1', means: 'a bug in Holdfast' },
  { code: '2', means: 'usage, configuration, or a privilege is missing: someone has to change something' },
  { code: '3', means: 'the environment: a server, network or disk failed; trying again may help' },
  { code: '4', means: 'the data: a backup is damaged, or is not there' },
  { code: '5', means: '`plan` found changes' },
  { code: '130', means: 'stopped on request' },
] as const;

/** Terms in a column, what they mean beside them; a long term has its meaning on the next line. */
function glossary(entries: readonly (readonly [term: string, means: string])[]): string {
  const column = Math.min(28, Math.max(...entries.map(([term]) => term.length)) + 4);
  return entries
    .map(([term, means]) => {
      const text = fill(means, column);
      if (term.length + 4 > column) return `  ${term}\n${' '.repeat(column)}${text}`;
      return `  ${term.padEnd(column - 2)}${text}`;
    })
    .join('\n');
}

/** Lines of at most `widthMax`; all but the first are indented. */
function fill(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > widthMax) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}
