import type { SchemaStatement } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { planFinish, relationKey } from './finish-plan.ts';

function post(type: string, name: string, text = ''): SchemaStatement {
  return { section: 'post-data', type, name, text };
}
const key = post(
  'CONSTRAINT',
  'k',
  'SET default_tablespace = \'\';\nALTER TABLE ONLY a."B c"\n    ADD CONSTRAINT k PRIMARY KEY (id);',
);
const index = post(
  'INDEX',
  'i',
  'SET default_tablespace = fast;\n\nCREATE INDEX i ON a."B c" USING btree (x);',
);
const foreign = post(
  'FK CONSTRAINT',
  'f',
  'ALTER TABLE ONLY a.t\n    ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES a."B c"(id);',
);

describe('the plan of what follows the rows', () => {
  it('builds indexes side by side, attaches them, checks foreign keys, then does the rest in order', () => {
    const attach = post('INDEX ATTACH', 'p', 'ALTER INDEX a.p ATTACH PARTITION a.p1;');
    const trigger = post('TRIGGER', 't', 'CREATE TRIGGER t …;');
    const comment = post('COMMENT', 'TRIGGER t', 'COMMENT ON TRIGGER t …;');
    const groups = planFinish([key, trigger, comment, foreign, attach, index]);
    expect(
      groups.map((each) => [each.what, each.parallel, each.steps.map((step) => step.statement.name)]),
    ).toEqual([
      ['indexes', true, ['k', 'i']],
      ['indexes of partitioned tables', false, ['p']],
      ['foreign keys', true, ['f']],
      ['triggers, rules, policies, comments', false, ['t', 'TRIGGER t']],
    ]);
    expect(groups[0]?.steps.map((step) => step.number)).toEqual([0, 5]);
  });

  it('makes a view that needs a primary key after it, and what is stored behind the view after the view', () => {
    const view = post('MATERIALIZED VIEW', 'v');
    const onView = post('INDEX', 'vi', 'CREATE INDEX vi ON a.v USING btree (x);');
    const names = planFinish([key, view, onView, index]).map((group) =>
      group.steps.map((each) => each.statement.name),
    );
    expect(names).toEqual([['k'], ['v'], ['vi', 'i']]);
    const rule = post('RULE', 'v _RETURN', 'CREATE OR REPLACE VIEW a.v AS\n SELECT 1;');
    expect(planFinish([key, rule, index]).map((group) => group.parallel)).toEqual([true, false, true]);
  });

  it('lets two indexes of one table be built together, and a constraint alone', () => {
    const relation = relationKey('a', 'B c');
    const steps = planFinish([key, index]).flatMap((each) => each.steps);
    expect(steps.map((each) => each.locks)).toEqual([
      [{ relation, mode: 'exclusive' }],
      [{ relation, mode: 'shared' }],
    ]);
  });

  it('takes an index that its table is clustered by as alone on its table', () => {
    const clustered = { ...index, text: `${index.text}\n\nALTER TABLE a."B c" CLUSTER ON i;\n` };
    expect(planFinish([clustered])[0]?.steps[0]?.locks[0]?.mode).toBe('exclusive');
  });

  it('locks both tables of a foreign key', () => {
    const locks = planFinish([foreign])[0]?.steps[0]?.locks.map((each) => each.relation);
    expect(locks).toEqual([relationKey('a', 't'), relationKey('a', 'B c')]);
  });
});
