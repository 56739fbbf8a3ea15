import { redactUrl } from '@holdfast/core';
import type { Call, CommandSpec } from './commands.ts';
import type { Terminal } from './terminal.ts';

/** Whether a URL holds a secret itself instead of naming where one is kept. */
export function holdsSecret(url: string): boolean {
  const literal = url.replace(/\$\{[^}]*\}/g, '');
  return redactUrl(literal).replaceAll('[secret]', '') !== literal;
}

/** Every URL of a command line. */
export function urlsOf(spec: CommandSpec, call: Call<CommandSpec>): readonly string[] {
  const values = call.values as Readonly<Record<string, unknown>>;
  const urls = spec.operand?.url ? [...call.operands] : [];
  for (const option of spec.options) {
    if (option.type === 'url' || option.type === 'urls')
      urls.push(...[values[option.name] ?? []].flat().map(String));
  }
  return urls;
}

/** Says once that passwords on the command line are seen by others, and what to do instead. */
export function warnOfSecrets(urls: readonly string[], terminal: Terminal, json: boolean): void {
  const url = urls.find(holdsSecret);
  if (url === undefined) return;
  const message =
    `${redactUrl(url)} holds a secret, which other users of this machine can see: ` +
    `write $\{env:NAME} or $\{file:PATH} in its place, in single quotes`;
  terminal.err.write(json ? `${JSON.stringify({ warning: { message } })}\n` : `warning: ${message}\n`);
}
