import { version } from '@holdfast/core';
import { clip, type GatheredMessage, type Notice } from './notice.ts';

export interface Letter {
  readonly subject: string;
  readonly text: string;
}

const subjectCharactersMax = 150;

/** An e-mail in plain words: what, when, and where to look. */
export function letterOf(notice: Notice): Letter {
  return {
    subject: oneLine(`[holdfast] ${notice.event}: ${subjectOf(notice)}`),
    text: [
      ...(notice.tasks ? listOf(notice, notice.tasks) : storyOf(notice)),
      '',
      '-- ',
      footerOf(notice),
      '',
    ].join('\n'),
  };
}

function subjectOf({ event, task, destination, tasks, node }: Notice): string {
  if (tasks) return `${tasks.length} messages of node ${node}`;
  if (task !== undefined) return destination === undefined ? `task ${task}` : `${destination}, task ${task}`;
  return event === 'test' ? `from node ${node}` : `node ${node}`;
}

/** A line break in a header would begin another header. Names are checked elsewhere; this does not rely on it. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in a header
  return clip(text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' '), subjectCharactersMax);
}

function storyOf(notice: Notice): readonly string[] {
  const { text, error, task, destination, run, node, atMs, event } = notice;
  const lines = [
    capital(clip(text)),
    '',
    ...rows({ When: instant(atMs), Task: task, Place: destination, Run: run, Node: node }),
  ];
  if (error) {
    lines.push('', `Error: [${error.code}] ${clip(error.message)}`);
    if (error.hint !== undefined) lines.push(`What to do: ${clip(error.hint)}`);
  }
  if (event !== 'test') {
    lines.push('', 'Where to look:', '  holdfast status');
    if (destination !== undefined) lines.push('  holdfast destinations --probe');
    if (task !== undefined) lines.push(`  holdfast history ${task}`);
    if (run !== undefined) lines.push(`  holdfast logs ${run}`);
  }
  return lines;
}

function listOf(notice: Notice, tasks: readonly GatheredMessage[]): readonly string[] {
  return [
    `So much happened at once that it is told in one message: ${notice.text}.`,
    '',
    ...tasks.flatMap(lineOf),
    '',
    'Where to look:',
    '  holdfast status',
    '  holdfast history TASK',
    '  holdfast logs RUN',
  ];
}

function lineOf({ event, task, run, atMs, text }: GatheredMessage): readonly string[] {
  const what = `${instant(atMs)}  ${event}  ${run ?? task}`;
  return [what, `  ${clip(text, 300)}`];
}

function rows(of: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(of)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${name}:`.padEnd(6)}${value}`);
}

function footerOf({ node }: Notice): string {
  return `Holdfast ${version} on ${node}, because a notification of the cluster declares this address.`;
}

/** `2026-11-20 14:00:00 UTC` */
function instant(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
