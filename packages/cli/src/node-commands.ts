import type { CommandSpec, OperandSpec } from './command-spec.ts';
import {
  applyOptions,
  delayOptions,
  destinationsOptions,
  historyOptions,
  nodesDrainOptions,
  planOptions,
  runOptions,
  serverOptions,
  startOptions,
  statusOptions,
  tasksOptions,
} from './node-options.ts';

/** Commands that are a node, or ask one. */

export const start = {
  name: 'start',
  summary: 'run a node: it makes the backups that are declared, when they are due',
  description:
    'A node needs nothing else: what is declared and what has happened is kept in its state folder. Ctrl-C or SIGTERM lets running backups finish for a while, then ends them in good order; a second one ends it at once. What was interrupted goes on at the next start. The exit code is 0 either way.',
  options: startOptions,
  examples: [
    { says: 'A node with defaults', line: 'holdfast start' },
    { says: 'With settings of its own', line: 'holdfast start --config /etc/holdfast/holdfast.yaml' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const plan = {
  name: 'plan',
  summary: 'show what applying files would change',
  description: 'Checks the files whole and changes nothing. Exit code 5 when something would change.',
  options: planOptions,
  examples: [
    { says: 'What a file would change', line: 'holdfast plan -f backups.yaml' },
    { says: 'What is declared and no longer in git', line: 'holdfast plan -f backups.yaml --prune' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const apply = {
  name: 'apply',
  summary: 'declare sources, destinations, tasks and notifications from files',
  description:
    'All of it or nothing; again with the same files changes nothing. A run that is under way ends as it began; the next one goes by what is declared now. Without --prune, what is not in the files stays.',
  options: applyOptions,
  examples: [
    { says: 'Make it so', line: 'holdfast apply -f backups.yaml' },
    { says: 'Only what was planned', line: 'holdfast apply -f backups.yaml --prune --revision 12' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const exportObjects = {
  name: 'export',
  summary: 'print what is declared, as a file that `apply` takes',
  description: 'Secrets are printed as they were declared: by the names of variables and files.',
  options: serverOptions,
  examples: [{ says: 'Into git', line: 'holdfast export' }],
  runs: false,
} as const satisfies CommandSpec;

const task = {
  label: 'TASK',
  least: 1,
  many: false,
  url: false,
  help: 'the name of a task',
} as const satisfies OperandSpec;

export const run = {
  name: 'run',
  summary: 'run a task now',
  description:
    'Waits for its end and shows its progress; Ctrl-C ends the waiting, not the run. While the task is running already, that run is the one waited for. The schedule stays as it is.',
  operand: task,
  options: runOptions,
  examples: [
    { says: 'An incremental where one can be made, else a full', line: 'holdfast run orders' },
    { says: 'A full, without waiting for it', line: 'holdfast run orders --full --no-wait' },
    {
      says: 'A full by another node, which changes nothing about who is responsible',
      line: 'holdfast run orders --full --node node-b',
    },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const tasks = {
  name: 'tasks',
  summary: 'list tasks: state, last good backup, freshness, next run',
  description: 'With TASK: all about that one, with its next and its recent runs.',
  operand: { ...task, least: 0 },
  options: tasksOptions,
  examples: [
    { says: 'All of them', line: 'holdfast tasks' },
    { says: 'One of them', line: 'holdfast tasks orders' },
    { says: 'Why is it on that node?', line: 'holdfast tasks --why orders' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const nodes = {
  name: 'nodes',
  summary: 'list nodes: who is alive, what each has and does, whether its clock is right',
  description:
    'TASKS: how many a node is responsible for; OWNS: of how many it may make incrementals. Each node is asked by the one that answers; what keeps it from that is said below.',
  options: serverOptions,
  examples: [{ says: 'All of them', line: 'holdfast nodes' }],
  runs: false,
} as const satisfies CommandSpec;

export const nodesDrain = {
  name: 'nodes drain',
  summary: 'let a node give its tasks away, before maintenance',
  description:
    'Other nodes take them, each with a full backup as its next; the node gets none until this is undone, also when it is restarted. What runs there may finish.',
  operand: { label: 'NODE', least: 1, many: false, url: false, help: 'the name of a node' },
  options: nodesDrainOptions,
  examples: [
    { says: 'Before maintenance', line: 'holdfast nodes drain node-b' },
    { says: 'After it', line: 'holdfast nodes drain node-b --undo' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const status = {
  name: 'status',
  summary: 'show what the cluster does: runs with percent, rate and time left, problems',
  description: 'With --watch it goes on; with --watch --json it prints one JSON document per event.',
  options: statusOptions,
  examples: [
    { says: 'Now', line: 'holdfast status' },
    { says: 'As it goes on', line: 'holdfast status --watch' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const destinations = {
  name: 'destinations',
  summary: 'list destinations: what each lacks, its last good backup, whether it can be reached',
  description:
    'A destination that lacks backups which exist elsewhere is behind. It is brought up to date by itself, at once when it can be reached again or after some minutes; `copy` does it now. USED is known of places with up to 10,000 objects, FREE of folders, both with --probe alone.',
  options: destinationsOptions,
  examples: [
    { says: 'What is behind', line: 'holdfast destinations' },
    { says: 'Can they be reached?', line: 'holdfast destinations --probe' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const history = {
  name: 'history',
  summary: 'list runs, the newest first',
  description: 'Of one task or of all; those before a restart too.',
  operand: { ...task, least: 0 },
  options: historyOptions,
  examples: [
    { says: 'The last runs of all tasks', line: 'holdfast history' },
    { says: 'What went wrong with one', line: 'holdfast history orders --state failed' },
  ],
  runs: false,
} as const satisfies CommandSpec;

const aRun = {
  label: 'RUN',
  least: 1,
  many: false,
  url: false,
  help: 'a run, as `history` names it; or a task: its newest run',
} as const satisfies OperandSpec;

export const logs = {
  name: 'logs',
  summary: 'print the log of a run',
  description: 'Each step with its moment, each notice, and how it ended.',
  operand: aRun,
  options: serverOptions,
  examples: [{ says: 'Of the newest run of a task', line: 'holdfast logs orders' }],
  runs: false,
} as const satisfies CommandSpec;

export const cancel = {
  name: 'cancel',
  summary: 'end a run that waits or works',
  description: 'In good order: nothing that is listed is harmed. The schedule goes on.',
  operand: aRun,
  options: serverOptions,
  examples: [{ says: 'The running run of a task', line: 'holdfast cancel orders' }],
  runs: false,
} as const satisfies CommandSpec;

export const pause = {
  name: 'pause',
  summary: 'start nothing of a task by its schedule, until it is resumed',
  description: 'A running run ends as it would. Runs by hand stay possible.',
  operand: task,
  options: serverOptions,
  examples: [{ says: 'During a migration', line: 'holdfast pause orders' }],
  runs: false,
} as const satisfies CommandSpec;

export const resume = {
  name: 'resume',
  summary: 'end a pause or a delay of a task',
  description: 'What fell due in the meantime is not made up for; the schedule counts from now.',
  operand: task,
  options: serverOptions,
  examples: [{ says: 'After the migration', line: 'holdfast resume orders' }],
  runs: false,
} as const satisfies CommandSpec;

export const delay = {
  name: 'delay',
  summary: 'not now: end the running run of a task, and start anew later',
  description: 'Nothing of the task starts by schedule before the time is over; then a run does, at once.',
  operand: task,
  options: delayOptions,
  examples: [{ says: 'The server is busy until the evening', line: 'holdfast delay orders --for 6h' }],
  runs: false,
} as const satisfies CommandSpec;

export const notificationTest = {
  name: 'notification test',
  summary: 'send a test message through a declared notification',
  description: 'Says whether the other side has taken it.',
  operand: { label: 'NAME', least: 1, many: false, url: false, help: 'the name of a notification' },
  options: serverOptions,
  examples: [{ says: 'Before one needs it', line: 'holdfast notification test on-call' }],
  runs: false,
} as const satisfies CommandSpec;

export const nodeCommands: readonly CommandSpec[] = [
  start,
  plan,
  apply,
  exportObjects,
  run,
  tasks,
  nodes,
  nodesDrain,
  status,
  destinations,
  history,
  logs,
  cancel,
  pause,
  resume,
  delay,
  notificationTest,
];
