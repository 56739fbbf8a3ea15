import { type CommandSpec, commands } from './commands.ts';
import { exitCodes, optionNotes, optionTerm, secretsNote, urlForms, usageLine } from './help.ts';
import { commonOptions, type OptionSpec } from './options.ts';

/** docs/cli.md, from the tables; a test compares it with the file, and `vitest -u` writes it. */
export function cliDocs(): string {
  return `${[
    '# The holdfast command',
    'Written by the tables in `packages/cli/src`; a test compares the two.',
    'Commands that take URLs (`backup`, `copy`, `list`, `show`, `check`, `restore`, `doctor`, `source …`) work with nothing else: no node, no store, no configuration. `start` is a node; the others ask one: see [the service](service.md).',
    bullets(commands.map((spec) => `[\`holdfast ${spec.name}\`](#${anchor(spec.name)}): ${spec.summary}`)),
    ...commands.map(commandDocs),
    '## URLs',
    grid(
      ['URL', 'names'],
      urlForms.map(({ form, says }) => [code(form), says]),
    ),
    secretsNote.replace(/\$\{[^}]*\}/g, (placeholder) => code(placeholder)),
    'Where a placeholder is a whole user name, password or query value, what it stands for may hold any character: it is percent-encoded as it is put in. Quote the URL with single quotes, so that the shell leaves the placeholder alone.',
    '## Output',
    'The answer is printed on stdout, everything about the work (progress, notes, warnings, errors) on stderr. On a terminal, progress is a line that is redrawn; elsewhere, a plain line every few seconds. `--json` makes the answer one JSON document, and an error `{"error":{"code","message","hint"}}`. Colours are used on a terminal only, and not when `NO_COLOR` is set.',
    'Ctrl-C or SIGTERM stops a run in good order: nothing that is listed is harmed, and the same command goes on later. A second one, or ten seconds, kill it. A command that waits for a run of a node stops waiting; the run goes on.',
    '## Exit codes',
    grid(
      ['code', 'means'],
      exitCodes.map(({ code: exitCode, means }) => [exitCode, means]),
    ),
    'Each error has a code of its own as well: see [errors](errors.md).',
  ].join('\n\n')}\n`;
}

function commandDocs(spec: CommandSpec): string {
  const parts = [`## holdfast ${spec.name}`, `\`\`\`\n${usageLine(spec)}\n\`\`\``, spec.description];
  if (spec.operand) parts.push(`${code(spec.operand.label)}: ${spec.operand.help}.`);
  const options: readonly OptionSpec[] = [...spec.options, ...commonOptions];
  parts.push(
    grid(
      ['option', 'what it does', ''],
      options.map((option) => [code(optionTerm(option)), option.help, optionNotes(option).join('; ')]),
    ),
  );
  const examples = spec.examples.map(({ says, line }) => `# ${says}\n${line}`);
  parts.push(`\`\`\`sh\n${examples.join('\n\n')}\n\`\`\``);
  return parts.join('\n\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** As GitHub makes them from headings. */
function anchor(name: string): string {
  return `holdfast-${name.replaceAll(' ', '-')}`;
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function grid(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}
