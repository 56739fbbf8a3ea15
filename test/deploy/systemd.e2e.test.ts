import { chmod, cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { defaultConfigFile, loadNodeConfig } from '../../packages/service/src/config/node-config.ts';
import { runProgram } from '../../packages/testing/src/servers/run-program.ts';
import { callOf, endingMsMax, msOf, nodeConfigOf, readDeployed, root } from './product.ts';

const unit = await readDeployed('systemd', 'holdfast.service');
const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
const [node = '', launcher = '', ...args] = setting('ExecStart').split(' ');

/** What systemd says about the unit as it is installed; nothing when all is well. */
async function verify(text: string): Promise<string> {
  await using folder = await temporaryFolder('systemd');
  const file = folder.join('etc/systemd/system/holdfast.service');
  for (const path of [node, launcher]) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), '#!/bin/sh\n');
    await chmod(join(folder.path, path), 0o755);
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  const options = [`--root=${folder.path}`, '--man=no', '--recursive-errors=no'];
  const script = 'systemd-analyze verify "$@" 2>&1; true';
  return await runProgram('/bin/sh', ['-c', script, 'sh', ...options, 'holdfast.service']);
}

describe('the unit for systemd', () => {
  it('is what systemd takes without a word', async () => {
    expect(await verify(unit)).toBe('');
    expect(await verify(unit.replace('KillMode=', 'KillMod='))).toContain("Unknown key 'KillMod'");
  });

  it('exposes little: at most 2.0 of 10', async () => {
    await using folder = await temporaryFolder('systemd');
    await cp(join(root, 'deploy', 'systemd', 'holdfast.service'), folder.join('holdfast.service'));
    const options = ['security', '--no-pager', '--offline=true', '--threshold=20'];
    const said = await runProgram('systemd-analyze', [...options, folder.join('holdfast.service')]);
    expect(said).toContain('Overall exposure level for holdfast.service');
  });

  it('starts the product with the Node that comes with it', async () => {
    expect([node, launcher]).toEqual([
      '/opt/holdfast/node_modules/.bin/node',
      '/opt/holdfast/packages/cli/bin/holdfast.mjs',
    ]);
    expect(callOf(args).spec.name).toBe('start');
  });

  it('keeps the state where systemd makes the folder, and reads /etc/holdfast', async () => {
    const pairs = setting('Environment')
      .split(' ')
      .map((pair) => pair.split('=') as [string, string]);
    const facts = { env: Object.fromEntries(pairs), cores: 2, homedir: '/', hostname: 'db1', isRoot: false };
    expect(defaultConfigFile(facts)).toBe(`/etc/${setting('ConfigurationDirectory')}/holdfast.yaml`);
    const { state } = await loadNodeConfig(undefined, {
      ...facts,
      env: { ...facts.env, XDG_CONFIG_HOME: '/nowhere' },
    });
    expect(state).toBe(`/var/lib/${setting('StateDirectory')}`);
  });

  it('waits longer than a node drains, and leaves the end of runs to the node', async () => {
    const config = nodeConfigOf(await readDeployed('systemd', 'holdfast.yaml'));
    expect(msOf(setting('TimeoutStopSec'))).toBeGreaterThan(config.stop.drainForMs + endingMsMax);
    expect(setting('KillMode')).toBe('mixed');
    expect(setting('OOMPolicy')).toBe('continue');
  });

  it('comes with a configuration that the product takes, also with what is commented out', async () => {
    const text = await readDeployed('systemd', 'holdfast.yaml');
    const whole = nodeConfigOf(text.replace(/^# {3}/gm, '').replace(/^ {2}(?=listen:)/gm, ''));
    expect(whole.listen.address).toBe('0.0.0.0:6362');
  });

  it('comes with the user that it runs as', async () => {
    await using folder = await temporaryFolder('systemd');
    const sysusers = join(root, 'deploy', 'systemd', 'holdfast.sysusers');
    await mkdir(folder.join('etc'));
    await runProgram('systemd-sysusers', [`--root=${folder.path}`, sysusers]);
    const passwd = await runProgram('cat', [folder.join('etc/passwd')]);
    expect(passwd).toMatch(new RegExp(`^${setting('User')}:`, 'm'));
    expect(passwd).toContain(`:/var/lib/${setting('StateDirectory')}:`);
  });
});
