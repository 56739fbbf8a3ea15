import { readFile } from 'node:fs/promises';

/** What is read of the file that vitest's json reporter writes. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  /** Why `failed` is what it is, beyond what vitest itself prints. */
  readonly remarks: readonly string[];
}

/**
 * Counts the tests of a run. Besides those that failed, a test that did not run (skipped or left for later) counts as
 * failed, and so does a file that broke before its first test, an error outside of any test, and a run without tests.
 */
export function countTests(report: VitestReport | undefined, exitCode: number): TestCounts {
  if (report === undefined) return { passed: 0, failed: 1, remarks: ['vitest left no report'] };
  let failed = 0;
  const remarks: string[] = [];
  for (const { name, status, assertionResults } of report.testResults) {
    const bad = assertionResults.filter((test) => test.status !== 'passed');
    failed += bad.length;
    const notRun = bad.filter((test) => test.status !== 'failed');
    remarks.push(...notRun.map((test) => `${test.status}: ${test.fullName} (${name})`));
    if (status === 'failed' && bad.length === 0) {
      failed += 1;
      remarks.push(`broken outside of its tests: ${name}`);
    }
  }
  if (failed === 0 && report.numPassedTests === 0) {
    failed = 1;
    remarks.push('no tests were found');
  } else if (failed === 0 && exitCode !== 0) {
    failed = 1;
    remarks.push(`vitest ended with exit code ${exitCode}, although every test passed`);
  }
  return { passed: report.numPassedTests, failed, remarks };
}

/** Reads the report; undefined when vitest died before it wrote one. */
export async function readReport(path: string): Promise<VitestReport | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as VitestReport;
  } catch {
    return undefined;
  }
}
