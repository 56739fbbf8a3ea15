import pino, { type Logger } from 'pino';

export interface NodeLoggerOptions {
  readonly level: string;
  /** `json`: a document per line, for machines; `pretty`: a line for people. */
  readonly format: 'json' | 'pretty';
  readonly node: string;
  readonly write: (text: string) => void;
}

/** The node's log: each line says which part of it speaks, and about which task and run. */
export function nodeLogger(o: NodeLoggerOptions): Logger {
  const write = o.format === 'json' ? o.write : (line: string): void => o.write(textOf(line));
  return pino(
    {
      level: o.level,
      base: { node: o.node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

/** `2026-11-21T06:30:00.123Z info  scheduler orders: the incremental schedule is due` */
function textOf(line: string): string {
  const { time, level, msg, component, task, hint } = JSON.parse(line) as Record<string, string | undefined>;
  const about = [component, task].filter((part) => part !== undefined).join(' ');
  const next = hint === undefined ? '' : ` (${hint})`;
  return `${time} ${String(level).padEnd(5)} ${about === '' ? '' : `${about}: `}${msg}${next}\n`;
}
