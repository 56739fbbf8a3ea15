import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../../packages/testing/src/servers/run-program.ts';
import { root } from './product.ts';

const folder = join(root, 'deploy', 'monitoring');

it('Prometheus takes the alerts', async () => {
  expect(await runProgram('promtool', ['check', 'rules', 'alerts.yaml'], { folder })).toContain('SUCCESS');
});

it('each alert fires when it should, and none does while all is well', async () => {
  expect(await runProgram('promtool', ['test', 'rules', 'alerts.test.yaml'], { folder })).toContain(
    'SUCCESS',
  );
});
