import { describe, expect, it } from 'vitest';
import { countTests } from '../scripts/gate/test-report.ts';

type Status = 'passed' | 'failed' | 'skipped' | 'pending' | 'todo';

/** A report with one file of tests that ended so. */
function report(statuses: readonly Status[], fileStatus: 'passed' | 'failed' = 'passed') {
  const assertionResults = statuses.map((status, index) => ({ fullName: `test ${index}`, status }));
  const numPassedTests = statuses.filter((status) => status === 'passed').length;
  return { numPassedTests, testResults: [{ name: 'a.test.ts', status: fileStatus, assertionResults }] };
}

describe('the count of the gate', () => {
  it('is what vitest says when all is well', () => {
    expect(countTests(report(['passed', 'passed']), 0)).toEqual({ passed: 2, failed: 0, remarks: [] });
  });

  it.each(['skipped', 'pending', 'todo'] as const)('counts a %s test as failed', (status) => {
    expect(countTests(report(['passed', status]), 0)).toMatchObject({ passed: 1, failed: 1 });
  });

  it('counts a file that broke before its first test', () => {
    expect(countTests(report([], 'failed'), 1)).toMatchObject({ passed: 0, failed: 1 });
    expect(countTests(report(['failed'], 'failed'), 1)).toMatchObject({ failed: 1 });
  });

  it('counts an exit code that no test explains, a run without tests, and a run without a report', () => {
    expect(countTests(report(['passed']), 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(countTests(report([]), 0)).toMatchObject({ failed: 1, remarks: ['no tests were found'] });
    expect(countTests(undefined, 139)).toMatchObject({ passed: 0, failed: 1 });
  });
});
