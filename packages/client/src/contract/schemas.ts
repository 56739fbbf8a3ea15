import type { z } from 'zod';
import * as cluster from './cluster-schemas.ts';
import * as destinations from './destination-schemas.ts';
import * as node from './node-schemas.ts';
import * as objects from './object-schemas.ts';
import * as runs from './run-schemas.ts';
import * as tasks from './task-schemas.ts';
import * as words from './words.ts';

/** The schemas that have a name of their own in the OpenAPI document. */
export const schemas = {
  Error: words.apiError,
  ErrorBody: words.errorBody,
  ErrorCode: words.errorCode,
  Health: node.health,
  Readiness: node.readiness,
  NodeStatus: node.nodeStatus,
  Event: node.apiEvent,
  DeclaredObjects: objects.declaredObjects,
  ObjectsAnswer: objects.objectsAnswer,
  ObjectsRequest: objects.objectsRequest,
  ObjectFile: objects.objectFile,
  ObjectChange: objects.objectChange,
  ObjectWarning: objects.objectWarning,
  ObjectsPlan: objects.objectsPlan,
  ObjectsApplied: objects.objectsApplied,
  Delivered: objects.delivered,
  TaskView: tasks.taskView,
  TaskDetail: tasks.taskDetail,
  Freshness: tasks.freshness,
  GoodBackup: tasks.goodBackup,
  NextRun: tasks.nextRun,
  RunState: runs.runState,
  RunView: runs.runView,
  RunStarted: runs.runStarted,
  RunList: runs.runList,
  RunProgress: runs.runProgress,
  DestinationProgress: runs.destinationProgress,
  RunTable: runs.runTable,
  RunTables: runs.runTables,
  LogLine: runs.logLine,
  UploadState: runs.uploadState,
  RunDestination: runs.runDestination,
  Behind: tasks.behind,
  DestinationView: destinations.destinationView,
  DestinationTask: destinations.destinationTask,
  DestinationProbe: destinations.destinationProbe,
  CopyState: destinations.copyState,
  CopyView: destinations.copyView,
  CopyStarted: destinations.copyStarted,
  CopyList: destinations.copyList,
  NodeView: cluster.nodeView,
  DecisionView: cluster.decisionView,
} as const satisfies Record<string, z.ZodType>;
