import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  countedMetrics,
  type MetricRow,
  snapshotMetrics,
} from '../../packages/service/src/metrics/metric-table.ts';
import { callOf, readDeployed } from './product.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity?: string };
  readonly annotations: { readonly summary?: string; readonly runbook?: string };
}

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly Target[] }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const metrics: Readonly<Record<string, MetricRow>> = { ...countedMetrics, ...snapshotMetrics };

/** What Prometheus itself adds. */
const addedLabels = ['job', 'instance', 'le'];

/** Metrics that a query asks for and the product does not have, and labels that it asks of one that has none such. */
function unknownIn(expr: string): string[] {
  const asked = [...expr.matchAll(/\b(holdfast_\w+)(?:\{([^}]*)\})?/g)];
  return asked.flatMap(([, name = '', matchers = '']) => {
    const plain = name.replace(/_(?:bucket|sum|count)$/, '');
    const row = metrics[name] ?? (metrics[plain]?.kind === 'histogram' ? metrics[plain] : undefined);
    if (row === undefined) return [name];
    const labels = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
    return labels
      .filter((label) => !row.labels.includes(label) && !addedLabels.includes(label))
      .map((label) => `${name}{${label}}`);
  });
}

/** Labels that a result may have: of all metrics that are asked for. */
function labelsOf(expr: string): readonly string[] {
  const names = [...expr.matchAll(/\bholdfast_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
  return [...addedLabels, ...names.flatMap((name) => metrics[name]?.labels ?? [])];
}

function groupedBy(expr: string): string[] {
  return [...expr.matchAll(/\b(?:by|on|without)\s*\(([^)]*)\)/g)]
    .flatMap(([, list = '']) => list.split(','))
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

const { groups } = parse(await readDeployed('monitoring', 'alerts.yaml')) as {
  groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(await readDeployed('monitoring', 'dashboard.json')) as Dashboard;
const targets = dashboard.panels.flatMap(({ title, targets }) => targets.map((each) => ({ title, ...each })));

describe('the check of queries', () => {
  it('finds a metric and a label that do not exist', () => {
    expect(unknownIn('max by (task) (holdfast_task_freshnes{state="fresh"}) == 1')).toEqual([
      'holdfast_task_freshnes',
    ]);
    expect(unknownIn('holdfast_store_up{job="holdfast", task="a"}')).toEqual(['holdfast_store_up{task}']);
    expect(unknownIn('rate(holdfast_run_duration_seconds_bucket{task="a"}[1h])')).toEqual([]);
  });
});

describe('the alerts', () => {
  it.each(rules)('$alert asks for what a node tells, and says what to do', (rule) => {
    expect(unknownIn(rule.expr)).toEqual([]);
    const labels = labelsOf(rule.expr);
    for (const label of groupedBy(rule.expr)) expect(labels).toContain(label);
    const { summary = '', runbook = '' } = rule.annotations;
    for (const [, label] of `${summary}${runbook}`.matchAll(/\$labels\.(\w+)/g))
      expect(labels).toContain(label);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
    expect(summary).not.toBe('');
    expect(runbook).not.toBe('');
  });

  it.each(rules)('the runbook of $alert names commands that exist', ({ annotations }) => {
    for (const [, line = ''] of (annotations.runbook ?? '').matchAll(/`holdfast ([^`]*)`/g))
      expect(() => callOf(line.replace(/\{\{.*?\}\}/g, 'name').split(' '))).not.toThrow();
  });

  it('are one for each name', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it('are each proved by a test', async () => {
    const tests = await readDeployed('monitoring', 'alerts.test.yaml');
    for (const { alert } of rules) expect(tests).toMatch(new RegExp(`\\b${alert}\\b`));
  });
});

describe('the dashboard', () => {
  it.each(targets)('$title asks for what a node tells', ({ expr, legendFormat }) => {
    expect(unknownIn(expr)).toEqual([]);
    const labels = labelsOf(expr);
    for (const label of groupedBy(expr)) expect(labels).toContain(label);
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(labels).toContain(label);
  });

  it('fills its variables from what a node tells, and uses no others', () => {
    const variables = dashboard.templating.list;
    for (const { definition = '' } of variables) expect(unknownIn(definition)).toEqual([]);
    const used = targets.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name));
    const names = variables.map(({ name }) => name);
    for (const name of used) expect(names).toContain(name);
  });
});
