import { clusterRoutes } from './cluster-routes.ts';
import { destinationRoutes } from './destination-routes.ts';
import { nodeRoutes } from './node-routes.ts';
import { objectRoutes } from './object-routes.ts';
import type { Route, RouteAnswer, RouteArguments, RouteInput, RouteOutput } from './route.ts';
import { runRoutes } from './run-routes.ts';
import { taskRoutes } from './task-routes.ts';

/** The API, one row per route. The server, the client, the OpenAPI document and docs/api.md come from it. */
export const contract = {
  ...nodeRoutes,
  ...clusterRoutes,
  ...objectRoutes,
  ...taskRoutes,
  ...runRoutes,
  ...destinationRoutes,
} as const;

export type Contract = typeof contract;
export type RouteName = keyof Contract;

/** The names of the routes of one kind. */
export type RouteNameOf<K extends Route['kind']> = {
  [N in RouteName]: Contract[N]['kind'] extends K ? N : never;
}[RouteName];

/** All routes, in the order in which documentation lists them. */
export const routes = Object.entries(contract).map(([name, route]) => ({
  ...(route as Route),
  name: name as RouteName,
}));

export type NamedRoute = (typeof routes)[number];

/** What a caller gives to a route, what its handler gets, what that answers, and what the caller is answered. */
export type ArgumentsOf<N extends RouteName> = RouteArguments<Contract[N]>;
export type InputOf<N extends RouteName> = RouteInput<Contract[N]>;
export type AnswerOf<N extends RouteName> = RouteAnswer<Contract[N]>;
export type OutputOf<N extends RouteName> = RouteOutput<Contract[N]>;
