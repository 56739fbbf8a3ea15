import type { Point } from './point.ts';

/** What a typed option becomes. */
export interface OptionTypes {
  flag: boolean;
  url: string;
  /** May be given more than once. */
  urls: readonly string[];
  folder: string;
  file: string;
  /** May be given more than once. */
  files: readonly string[];
  task: string;
  run: string;
  path: string;
  choice: string;
  count: number;
  /** Milliseconds; typed with a unit. */
  duration: number;
  point: Point;
}

/** One row of a command's option table: the parser, `--help` and docs/cli.md all come from it. */
export interface OptionSpec {
  readonly name: string;
  /** One letter that means the same. */
  readonly short?: string;
  readonly type: keyof OptionTypes;
  /** How its value is called in help; a flag has none. */
  readonly label?: string;
  readonly required?: true;
  /** As a person would type it. */
  readonly default?: string;
  /** What holds without it, where that is not a value to type. */
  readonly otherwise?: string;
  readonly range?: readonly [least: number, most: number];
  readonly choices?: readonly string[];
  /** Names of options that it cannot stand beside. */
  readonly excludes?: readonly string[];
  readonly help: string;
}

/** The values of a command's options by name. */
export type ValuesOf<Options extends readonly OptionSpec[]> = {
  readonly [O in Options[number] as O['name']]:
    | OptionTypes[O['type']]
    | (O extends { type: 'flag' } | { required: true } | { default: string } ? never : undefined);
};

export const commonOptions = [
  { name: 'json', type: 'flag', help: 'print one JSON document on stdout, and errors as JSON on stderr' },
  { name: 'debug', type: 'flag', help: 'print stacks of errors, and what the run tells about its steps' },
] as const satisfies readonly OptionSpec[];

const at = {
  name: 'at',
  type: 'url',
  label: 'URL',
  required: true,
  help: 'the destination that holds the backups',
} as const satisfies OptionSpec;

const task = {
  name: 'task',
  type: 'task',
  label: 'TASK',
  help: 'only this task',
  otherwise: 'every task',
} as const satisfies OptionSpec;

const onlyTask = {
  name: 'task',
  type: 'task',
  label: 'TASK',
  help: 'the task whose backups are meant',
  otherwise: 'the only task at the destination',
} as const satisfies OptionSpec;

const workers = {
  name: 'workers',
  type: 'count',
  label: 'N',
  range: [1, 64],
  help: 'how many threads work at once, each with a connection of its own',
  otherwise: 'as many as the machine has cores, at most 4',
} as const satisfies OptionSpec;

const staging = {
  name: 'staging',
  type: 'folder',
  label: 'DIR',
  help: 'the local folder that the run works in; use the same one again to go on after a crash',
  otherwise: '/var/lib/holdfast/staging for root, else ~/.local/state/holdfast/staging',
} as const satisfies OptionSpec;

export const backupOptions = [
  { name: 'from', type: 'url', label: 'URL', required: true, help: 'the database to back up' },
  {
    name: 'to',
    type: 'urls',
    label: 'URL',
    required: true,
    help: 'a destination; give it again for each further copy, and all of them must succeed',
  },
  {
    name: 'auto',
    type: 'flag',
    excludes: ['full', 'incremental'],
    help: 'an incremental where there is a chain to continue, else a full; this is the default',
  },
  { name: 'full', type: 'flag', excludes: ['incremental'], help: 'a full backup, which begins a new chain' },
  { name: 'incremental', type: 'flag', help: 'an incremental, or an error when no chain can be continued' },
  {
    name: 'keep-changes',
    type: 'flag',
    help: 'with --full: make the server keep its changes, so that incrementals can follow; --auto implies it',
  },
  {
    name: 'type',
    type: 'choice',
    label: 'TYPE',
    choices: ['logical', 'snapshot'],
    default: 'logical',
    help: 'what a full backup is: compressed JSON, or a compressed binary image',
  },
  {
    name: 'name',
    type: 'task',
    label: 'TASK',
    help: 'the task that the backup belongs to: the name of its folder at the destination',
    otherwise: "the database's name",
  },
  staging,
  workers,
  {
    name: 'new-source',
    type: 'flag',
    help: 'this task has backups of another database, and that is meant',
  },
] as const satisfies readonly OptionSpec[];

/** Besides those of a node. */
export const copyOptions = [
  {
    name: 'task',
    type: 'task',
    label: 'TASK',
    required: true,
    help: 'the task whose backups are copied',
  },
  {
    name: 'from',
    type: 'url',
    label: 'NAME|URL',
    help: 'the destination that has them: a declared name, or a URL',
    otherwise: 'by names: whichever destination of the task has what is lacking',
  },
  {
    name: 'to',
    type: 'url',
    label: 'NAME|URL',
    required: true,
    help: 'the destination that gets them: as --from, a declared name or a URL',
  },
  {
    name: 'all',
    type: 'flag',
    help: 'every chain, also those that it has let go, or never had; by URLs that is what is copied anyway',
  },
  { name: 'no-wait', type: 'flag', help: 'by names: answer as soon as the copy has started' },
  {
    name: 'staging',
    type: 'folder',
    label: 'DIR',
    help: 'by URLs: the local folder in which runs of the same task lock one another out',
    otherwise: '/var/lib/holdfast/staging for root, else ~/.local/state/holdfast/staging',
  },
] as const satisfies readonly OptionSpec[];

const tablePath = {
  name: 'table',
  type: 'path',
  label: 'PATH',
  help: 'the chunks of this table instead, with their rows: schema.table, % and ? as wildcards',
} as const satisfies OptionSpec;

export const listOptions = [at, task, tablePath] as const satisfies readonly OptionSpec[];

export const showOptions = [
  at,
  onlyTask,
  { name: 'schema', type: 'flag', excludes: ['manifest'], help: 'print the schema, as statements' },
  { name: 'manifest', type: 'flag', help: 'print the manifest, as JSON' },
] as const satisfies readonly OptionSpec[];

export const checkOptions = [at, task, workers] as const satisfies readonly OptionSpec[];

export const restoreOptions = [
  at,
  {
    name: 'to',
    type: 'url',
    label: 'URL',
    required: true,
    help: 'the database to make: it must not exist yet, or be empty',
  },
  onlyTask,
  {
    name: 'point',
    type: 'point',
    label: 'TIME|BACKUP',
    help: 'a moment with its zone (2026-11-20T14:00:00Z), or the name of a backup or chain',
    otherwise: 'the newest backup',
  },
  { name: 'plan', type: 'flag', help: 'show what would be done, and change nothing' },
  { name: 'verify', type: 'flag', help: 'read everything back from the target and compare' },
  { name: 'no-owner', type: 'flag', help: 'do not restore owners and privileges' },
  {
    name: 'start-timeout',
    type: 'duration',
    label: 'TIME',
    default: '15s',
    range: [0, 86_400_000],
    help: 'how long to wait for another restore into the same target',
  },
  {
    name: 'thaw',
    type: 'choice',
    label: 'TIER',
    choices: ['standard', 'bulk', 'expedited'],
    excludes: ['plan'],
    help: 'have what lies in cold storage made readable first, and wait for it; --plan says what each tier takes',
    otherwise: 'what is cold is not restored',
  },
  {
    name: 'thaw-days',
    type: 'count',
    label: 'N',
    range: [1, 365],
    help: 'with --thaw: for how many days it stays readable, where it goes back by itself',
    otherwise: '7',
  },
  {
    name: 'no-wait',
    type: 'flag',
    help: 'with --thaw: end when everything is asked for, unless it can be read; run it again to restore',
  },
  staging,
  workers,
] as const satisfies readonly OptionSpec[];

export const doctorOptions = [
  {
    name: 'file',
    short: 'f',
    type: 'files',
    label: 'FILE',
    help: 'YAML that declares sources and destinations, to look at by their names; give it again for each further file; - is stdin',
  },
] as const satisfies readonly OptionSpec[];
