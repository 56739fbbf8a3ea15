/** The contract's nouns as types. What is read from the API may be given back to it; nobody changes it in between. */
import type { z } from 'zod';
import type { decisionView, nodeView } from './cluster-schemas.ts';
import type { copyView, destinationProbe, destinationView } from './destination-schemas.ts';
import type { apiEvent, nodeStatus, readiness } from './node-schemas.ts';
import type {
  objectChange,
  objectFile,
  objectKind,
  objectsAnswer,
  objectsApplied,
  objectsPlan,
  objectsRequest,
  objectWarning,
} from './object-schemas.ts';
import type { Immutable } from './route.ts';
import type {
  destinationProgress,
  logLine,
  runDestination,
  runList,
  runProgress,
  runStarted,
  runState,
  runTable,
  runTables,
  runView,
} from './run-schemas.ts';
import type { behind, freshness, goodBackup, nextRun, taskDetail, taskView } from './task-schemas.ts';
import type { apiError } from './words.ts';

type View<S extends z.ZodType> = Immutable<z.output<S>>;

export type ApiErrorView = View<typeof apiError>;
export type ApiEvent = View<typeof apiEvent>;
export type BehindView = View<typeof behind>;
export type CopyView = View<typeof copyView>;
export type DecisionView = View<typeof decisionView>;
export type DestinationProbe = View<typeof destinationProbe>;
export type DestinationProgress = View<typeof destinationProgress>;
export type DestinationView = View<typeof destinationView>;
export type FreshnessView = View<typeof freshness>;
export type GoodBackup = View<typeof goodBackup>;
export type LogLine = View<typeof logLine>;
export type NextRun = View<typeof nextRun>;
export type NodeStatus = View<typeof nodeStatus>;
export type NodeView = View<typeof nodeView>;
export type ObjectChange = View<typeof objectChange>;
export type ObjectFile = View<typeof objectFile>;
export type ObjectKind = View<typeof objectKind>;
export type ObjectsAnswer = View<typeof objectsAnswer>;
export type ObjectsApplied = View<typeof objectsApplied>;
export type ObjectsPlan = View<typeof objectsPlan>;
export type ObjectsRequest = View<typeof objectsRequest>;
export type ObjectWarning = View<typeof objectWarning>;
export type Readiness = View<typeof readiness>;
export type RunDestination = View<typeof runDestination>;
export type RunList = View<typeof runList>;
export type RunProgressView = View<typeof runProgress>;
export type RunStarted = View<typeof runStarted>;
export type RunState = View<typeof runState>;
export type RunTable = View<typeof runTable>;
export type RunTables = View<typeof runTables>;
export type RunView = View<typeof runView>;
export type TaskDetail = View<typeof taskDetail>;
export type TaskView = View<typeof taskView>;
