// Tests what a report says of several runs beside each other, in a browser:
// node tests/browser/compared_test.mjs [part of a name]
import assert from 'node:assert/strict';
import { folder, noSidewaysScrolling, nothingSeen, open, suite, values } from './browser.mjs';
import { explain } from '../../analysis/web/src/explain.js';
import { everything, makeData, makeRun } from './fixture.mjs';

const { browser, test, run } = await suite();
const save = folder();

// Rows of a table that is shown whole: [[title, cells]].
const wholeRows = (page, selector) =>
  page.evaluate(
    (where) =>
      [...document.querySelectorAll(`${where} .whole tbody tr`)].map((row) => [
        row.querySelector('th').innerText,
        [...row.querySelectorAll('td')].map((cell) => cell.innerText),
      ]),
    selector
  );

test('the tables of metrics are whole and tell values apart', async () => {
  const data = makeData({ ...everything, runs: 3 });
  // Three digits alone would not tell them apart.
  [0.90001, 0.90002, 0.90002].forEach((value, i) => {
    data.runs[i].figures.accuracy = value;
  });
  const long = `runs/${'a-long-name-of-a-group-'.repeat(3)}`;
  data.comparison.groups.forEach((group, g) => {
    group.label = `${long}${g}`;
  });
  data.comparison.figures[0].values[2][1] = null;
  const page = await open(browser, save('tables.html', data));
  const rows = new Map(await wholeRows(page, '#summary'));
  assert.deepEqual(rows.get('accuracy, last'), ['90.001 %', '90.002 %', '90.002 %']);
  for (const title of ['samples per joule (workers)', 'energy (workers) × time'])
    assert.ok(rows.has(title), title);
  for (const target of data.runs[0].figures.targets) {
    const [time] = rows.get(`time to ${target.accuracy * 100} %`);
    assert.match(time, /^[\d.]+ (s|min)$/);
    assert.ok(rows.get(`energy (workers) to ${target.accuracy * 100} %`)[0].includes('server'));
  }
  assert.equal(await page.locator('#summary details').getByText('peak memory').isVisible(), false);
  await page.locator('#summary details summary').click();
  assert.ok(await page.locator('#summary details').getByText('peak memory').isVisible());

  const compared = await wholeRows(page, '#compared-table');
  const [[, virtual]] = compared;
  const { values: times } = data.comparison.figures[0];
  const text = (value) => String(Number(value.toPrecision(3)));
  assert.ok(
    virtual[1].includes(`[${text(Math.min(...times[1]))} .. ${text(Math.max(...times[1]))}]`),
    virtual[1]
  );
  assert.ok(virtual[2].includes('of 4 of 5 runs'), virtual[2]);
  assert.equal(compared.filter(([title]) => title.startsWith('time to')).length, 2);
  const section = page.locator('#compared');
  assert.match(await section.innerText(), /Means \[lowest \.\. highest\]/);
  assert.match(await section.innerText(), /90 %: --target; 12 of 15 runs reach it/);
  assert.equal(await section.locator('.scroll').filter({ visible: true }).count(), 0);
  const heads = await section.locator('#compared-table > .whole thead th').allInnerTexts();
  data.comparison.groups.forEach((group, g) => assert.ok(heads[g + 1].includes(group.label)));
  nothingSeen(page);

  for (const colorScheme of ['light', 'dark']) {
    const phone = await open(browser, save('tables.html', data), { width: 390, colorScheme });
    await noSidewaysScrolling(phone);
    const { head, right, height } = await phone.evaluate(() => {
      const cell = document.querySelector('#compared-table td:last-child');
      const box = cell.getBoundingClientRect();
      return {
        head: getComputedStyle(cell, '::before').content,
        right: box.right,
        height: box.height,
      };
    });
    assert.ok(head.includes(`${long}2`), 'each line names its group');
    assert.ok(right <= 390 && height > 20);
    nothingSeen(phone);
  }
});

// Colours of the series of a chart, by name.
const seriesColours = (page, id) =>
  page.evaluate(
    (name) =>
      Object.fromEntries(
        window.convoy.charts
          .get(name)
          .option()
          .series.map((each) => [each.name, each.itemStyle?.color])
      ),
    id
  );

test('one thing has one colour in all charts and in every run', async () => {
  const causes = ['link', 'queue', 'slowest_node', 'quorum', 'aggregation', 'outage', 'strange'];
  const idleOf = (order) => ({ node: order.map(() => 1), cause: order, s: order.map(() => 3) });
  for (const colorScheme of ['light', 'dark']) {
    const found = [];
    for (const order of [causes, [...causes].reverse().slice(0, 6)]) {
      const data = makeData({ ...everything, nodes: 5, activities: 100 });
      data.runs[0].idle = idleOf(order);
      const page = await open(browser, save('colours.html', data), { colorScheme });
      const idle = await seriesColours(page, 'idle');
      const path = await seriesColours(page, 'rounds');
      const time = await seriesColours(page, 'time');
      const timeline = await seriesColours(page, 'timeline');
      for (const thing of ['queue', 'aggregation', 'outage'])
        assert.equal(idle[thing], path[thing], thing);
      assert.equal(path.link, time.communicating);
      assert.equal(path.link, timeline.upload);
      assert.equal(path.compute, time.computing);
      assert.equal(path.compute, timeline.train);
      assert.equal(path.aggregation, timeline.aggregate);
      if (order === causes) assert.equal(idle.link, path.link);
      found.push(idle);
      const bands = await seriesColours(page, 'accuracy-bands');
      const marks = await page.evaluate(() =>
        window.convoy.charts
          .get('comparison')
          .option()
          .series[1].data.map(({ point, itemStyle }) => [point.group, itemStyle.color])
      );
      for (const [group, colour] of marks) assert.equal(colour, bands[group], group);
      nothingSeen(page);
      await page.context().close();
    }
    const [first, second] = found;
    for (const name of Object.keys(second)) assert.equal(second[name], first[name], name);
  }
});

// Two runs of three rounds that differ in their computing alone.
function pair() {
  const make = (label, compute) => {
    const run = makeRun({ label, nodes: 3, activities: 40 });
    const zero = compute.map(() => 0);
    const begin = compute.map((_, i) => compute.slice(0, i).reduce((a, b) => a + b + 1, 0));
    run.rounds = {
      version: compute.map((_, i) => i + 1),
      begin_s: begin,
      end_s: begin.map((time, i) => time + compute[i] + 1),
      closed_by: compute.map(() => 'all'),
      node: compute.map((s) => (s > 2 ? 1 : 2)),
      label: compute.map(() => 'train'),
      label_s: compute,
      queue_s: zero,
      link_s: compute.map(() => 1),
      compute_s: compute,
      outage_s: zero,
      aggregation_s: zero,
      other_s: zero,
    };
    run.virtual_time_s = run.rounds.end_s[compute.length - 1];
    run.figures.lost_s = 0;
    run.idle = { node: [1, 2], cause: ['link', 'quorum'], s: [4, 2] };
    return run;
  };
  return make;
}

test('what makes two runs differ is said in numbers of the data', async () => {
  const make = pair();
  const [slow, fast] = [make('slow', [2, 5, 5]), make('fast', [2, 4, 4])];
  slow.idle.s[1] = 5;
  slow.figures.lost_s = 3;
  const text = explain(fast, slow).join(' ');
  for (const part of [
    'slow is 2.00 s longer than fast (15.00 s against 13.00 s).',
    'All of the difference is computing on the critical path (nearly all in rounds that waited for ' +
      'jetson-nano MAXN).',
    'The rounds of slow that waited for jetson-nano-0 take 2.00 s more (12.00 s against 10.00 s).',
    'A worker of slow is idle 1.50 s longer because of “quorum” (mean: 2.50 s against 1.00 s).',
    'slow lost 3.00 s of computing and transfers in tasks that failed or were given up, fast none.',
  ])
    assert.ok(text.includes(part), `"${part}" is in "${text}"`);
  assert.deepEqual(explain(slow, fast), explain(fast, slow), 'the order does not count');

  const equal = explain(make('a', [2, 5]), make('b', [2, 5])).join(' ');
  assert.equal(
    equal,
    'a and b are equally long (9.00 s). The parts of their critical paths are the same.'
  );
  const uneven = explain(make('many', [1, 1, 1, 1]), make('few', [5])).join(' ');
  assert.match(uneven, /many is 2\.00 s longer than few \(8\.00 s against 6\.00 s\)/);
  assert.match(uneven, /They made 4 and 1 rounds, so what follows is for one round/);
  assert.match(uneven, /it takes 2\.00 s in many and 6\.00 s in few, 4\.00 s less/);
  assert.match(uneven, /All of the difference is computing/);
  const none = make('none', [2, 5]);
  for (const key of Object.keys(none.rounds)) none.rounds[key] = [];
  none.idle = { node: [], cause: [], s: [] };
  none.figures.lost_s = 0;
  assert.equal(
    explain(none, make('b', [2, 5])).join(' '),
    'none and b are equally long (9.00 s). The critical path of none is not known, so nothing more ' +
      'can be said about rounds.'
  );
});

test('runs stand side by side', async () => {
  for (const [colorScheme, width, runs] of [
    ['light', 1280, 2],
    ['dark', 390, 5],
  ]) {
    const data = makeData({ runs, nodes: 8, activities: 400 });
    const page = await open(browser, save('sides.html', data), { colorScheme, width });
    const shown = data.runs.slice(0, 4);
    const idle = await values(page, 'side-idle');
    const classes = [...new Set(data.runs[0].nodes.class.slice(1))];
    assert.equal(idle.length, classes.length * shown.length);
    for (const row of idle) {
      const run = data.runs.find(({ label }) => label === row.run);
      const ids = run.nodes.id.filter((_, i) => i > 0 && run.nodes.class[i] === row.class);
      assert.equal(row.nodes, ids.length);
      const sum = run.idle.s.reduce(
        (all, s, i) =>
          ids.includes(run.idle.node[i]) && run.idle.cause[i] === 'quorum' ? all + s : all,
        0
      );
      assert.ok(Math.abs(row.quorum - sum / ids.length) < 1e-9);
    }
    const paths = await values(page, 'side-path');
    assert.deepEqual(
      paths.map((row) => row.run),
      shown.map((run) => run.label)
    );
    paths.forEach((row, r) => {
      for (const part of ['queue_s', 'link_s', 'compute_s', 'outage_s', 'aggregation_s', 'other_s'])
        assert.ok(
          Math.abs(row[part] - shown[r].rounds[part].reduce((all, s) => all + s, 0)) < 1e-9
        );
      assert.equal(row.lost_s, shown[r].figures.lost_s);
    });
    const said = await page.locator('#sides .explained').innerText();
    assert.ok(said.includes(explain(shown[0], shown[1]).join(' ')), said);

    const windows = () =>
      page.evaluate(() =>
        [1, 2].map((n) => window.convoy.charts.get(`side-timeline-${n}`).window())
      );
    const [one, two] = await windows();
    assert.deepEqual(one, two, 'one time axis');
    assert.ok(one[1] >= Math.max(...shown.slice(0, 2).map((run) => run.virtual_time_s)));
    const left = () =>
      page.evaluate(() =>
        [1, 2].map((n) =>
          window.convoy.charts
            .get(`side-timeline-${n}`)
            .echarts.convertToPixel({ xAxisIndex: 0 }, 1)
        )
      );
    const [a, b] = await left();
    assert.equal(a, b, 'the same time is at the same place');
    for (const id of ['side-timeline-2', 'side-timeline-1']) {
      const before = (await windows())[0];
      await page.locator(`#chart-${id}`).getByRole('button', { name: 'Zoom in' }).click();
      const [first, second] = await windows();
      assert.deepEqual(first, second, 'both zoom');
      assert.ok(first[1] - first[0] < (before[1] - before[0]) * 0.6);
      const [x, y] = await left();
      assert.equal(x, y);
    }
    if (runs > 4) {
      const box = (label) => page.locator('#side-runs').getByLabel(label, { exact: true });
      assert.ok(await box(data.runs[4].label).isDisabled(), 'four at most');
      await box(data.runs[1].label).uncheck();
      await box(data.runs[4].label).check();
      assert.deepEqual(
        (await values(page, 'side-path')).map((row) => row.run),
        [0, 2, 3, 4].map((i) => data.runs[i].label)
      );
      await page
        .locator('#chart-side-timeline-1')
        .getByLabel('Run', { exact: true })
        .selectOption('4');
      assert.equal(
        (await values(page, 'side-timeline-1')).length,
        data.runs[4].timeline.activities.node.length
      );
    }
    await noSidewaysScrolling(page);
    nothingSeen(page);
  }
});

await run();
