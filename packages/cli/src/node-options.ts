import type { OptionSpec } from './options.ts';

/** Of every command that asks a node. */
export const serverOptions = [
  {
    name: 'server',
    type: 'url',
    label: 'URL',
    help: 'the node to ask, or several of one cluster with commas between: the first that lives is asked',
    otherwise: '$HOLDFAST_SERVER, else http://127.0.0.1:6362',
  },
  {
    name: 'token-file',
    type: 'file',
    label: 'FILE',
    help: 'the file that holds the bearer token of that node',
    otherwise: '$HOLDFAST_TOKEN, else none: a node that listens on loopback asks for none',
  },
] as const satisfies readonly OptionSpec[];

export const startOptions = [
  {
    name: 'config',
    short: 'c',
    type: 'file',
    label: 'FILE',
    help: "the node's own settings",
    otherwise:
      '/etc/holdfast/holdfast.yaml for root, else ~/.config/holdfast/holdfast.yaml, else nothing but defaults',
  },
] as const satisfies readonly OptionSpec[];

const files = {
  name: 'file',
  short: 'f',
  type: 'files',
  label: 'FILE',
  required: true,
  help: 'YAML with sources, destinations, tasks and notifications; give it again for each further file; - is stdin',
} as const satisfies OptionSpec;

const prune = {
  name: 'prune',
  type: 'flag',
  help: 'remove what is declared and is in none of the files',
} as const satisfies OptionSpec;

export const planOptions = [files, prune, ...serverOptions] as const satisfies readonly OptionSpec[];

export const applyOptions = [
  files,
  prune,
  {
    name: 'revision',
    type: 'count',
    label: 'N',
    help: 'only if what is declared still is what `plan` compared with: the revision that it printed',
  },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const runOptions = [
  { name: 'full', type: 'flag', excludes: ['incremental'], help: 'a full backup, which begins a new chain' },
  { name: 'incremental', type: 'flag', help: 'an incremental; a full where there is none to continue' },
  {
    name: 'new-source',
    type: 'flag',
    excludes: ['incremental'],
    help: 'this task has backups of another database, and that is meant: a full backup',
  },
  {
    name: 'node',
    type: 'task',
    label: 'NODE',
    help: 'the node that is to do it; any may make a full, only the one that made the newest full an incremental',
    otherwise: 'the responsible one',
  },
  { name: 'no-wait', type: 'flag', help: 'answer as soon as the run has started' },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const tasksOptions = [
  { name: 'why', type: 'flag', help: 'why TASK is on the node that it is on: what was decided, newest last' },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const nodesDrainOptions = [
  { name: 'undo', type: 'flag', help: 'let it have tasks again' },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const statusOptions = [
  { name: 'watch', type: 'flag', help: 'go on showing what happens, until Ctrl-C' },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const destinationsOptions = [
  {
    name: 'probe',
    type: 'flag',
    help: 'look whether each can be reached now, and how much is there; takes up to 10 seconds',
  },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const historyOptions = [
  {
    name: 'state',
    type: 'choice',
    label: 'STATE',
    choices: ['waiting', 'running', 'succeeded', 'failed', 'interrupted', 'cancelled', 'skipped'],
    help: 'only runs in this state',
    otherwise: 'all',
  },
  {
    name: 'limit',
    type: 'count',
    label: 'N',
    range: [1, 1000],
    default: '20',
    help: 'how many runs, the newest first',
  },
  { name: 'before', type: 'run', label: 'RUN', help: 'only runs older than this one' },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];

export const delayOptions = [
  {
    name: 'for',
    type: 'duration',
    label: 'TIME',
    required: true,
    range: [1_000, 366 * 86_400_000],
    help: 'for how long',
  },
  ...serverOptions,
] as const satisfies readonly OptionSpec[];
