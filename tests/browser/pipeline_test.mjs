// Tests the page of a pipeline in a browser: node tests/browser/pipeline_test.mjs [part of a name]
// Pictures of it go to CONVOY_PICTURES, if that is set.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  everyChartIsDrawn,
  folder,
  ids,
  noSidewaysScrolling,
  nothingSeen,
  open,
  savedSvg,
  suite,
  values,
} from './browser.mjs';
import { makeData, makeRun } from './fixture.mjs';
import { makePipelineRun } from './pipeline_fixture.mjs';

const { browser, test, run } = await suite();
const save = folder();
const dataOf = (...runs) => ({ ...makeData({ runs: 0 }), runs });
const own = ['stash', 'bubbles', 'pipeline-path'];
const causes = ['activation', 'gradient', 'link', 'all_reduce', 'done', 'other'];

// What the timeline draws at present, by its ECharts' own elements: the texts in its bars.
const numbers = (page) =>
  page.evaluate(() =>
    window.convoy.charts
      .get('timeline')
      .echarts.getZr()
      .storage.getDisplayList(true)
      .filter((each) => each.type === 'tspan' && each.parent?.name === 'micro-batch')
      .map((each) => Number(each.style.text))
  );

const zoom = async (page, from, to) => {
  await page.evaluate(
    ([start, end]) =>
      window.convoy.charts
        .get('timeline')
        .echarts.dispatchAction({ type: 'dataZoom', dataZoomIndex: 0, start, end }),
    [from, to]
  );
  await page.waitForTimeout(150);
};

const picture = async (page, name) => {
  if (!process.env.CONVOY_PICTURES) return;
  for (const id of ['timeline', ...own]) {
    const chart = page.locator(`#chart-${id}`);
    await chart.scrollIntoViewIfNeeded();
    await page.waitForTimeout(100);
    await chart.screenshot({ path: join(process.env.CONVOY_PICTURES, `${name}-${id}.png`) });
  }
};

test('a pipeline reads as one', async () => {
  const made = makePipelineRun();
  const { pipeline } = made;
  const page = await open(browser, save('one.html', dataOf(made)));
  await everyChartIsDrawn(page);
  for (const id of own) assert.ok((await ids(page)).includes(id), id);

  // By kinds, not by micro-batches.
  const legend = await page.evaluate(
    () => window.convoy.charts.get('timeline').option().legend.data
  );
  for (const name of ['forward', 'backward', 'step', 'activations sent', 'gradients sent', 'all-reduce', 'critical path', 'waits for gradients'])
    assert.ok(legend.includes(name), `${name} is not in the legend`);
  assert.ok(!legend.some((name) => /@/.test(name)), `${legend}`);
  const rows = await values(page, 'timeline');
  assert.equal(rows.length, made.timeline.activities.node.length);
  const third = rows.find((row) => row.label === 'B3@2');
  assert.deepEqual([third.kind, third.stage, third.microbatch], ['backward', 2, 3]);

  // The bars have numbers, more of them in a closer look.
  const far = await numbers(page);
  assert.deepEqual(new Set(far), new Set([0, 1, 2, 3, 4, 5]));
  await picture(page, 'light');
  await zoom(page, 0, 30);
  const near = await numbers(page);
  const [from, to] = await page.evaluate(() => window.convoy.charts.get('timeline').window());
  const inWindow = rows.filter(
    (row) => row.lane === 'compute' && row.microbatch >= 0 && row.end_s > from + 0.2 && row.begin_s < to - 0.2
  );
  assert.ok(near.length >= inWindow.length, `${near.length} numbers for ${inWindow.length} bars`);

  // Idle times by cause and computing are the rounds.
  const devices = await values(page, 'bubbles');
  assert.equal(devices.length, 5);
  for (const row of devices) {
    const sum = causes.reduce((all, cause) => all + row[cause], row.computing);
    assert.ok(Math.abs(sum - row.rounds_s) < 1e-9, `${row.name}: ${sum} of ${row.rounds_s}`);
  }
  const path = await values(page, 'pipeline-path');
  assert.deepEqual(
    path.map((row) => row.where),
    ['stage 1', '1 – 2', 'stage 2', '2 – 3', 'stage 3', '3 – 4', 'stage 4']
  );
  const onPath = path.reduce(
    (all, { where, ...parts }) => all + Object.values(parts).reduce((sum, s) => sum + s, 0),
    0
  );
  assert.ok(Math.abs(onPath - made.virtual_time_s) < 1e-6);
  const memory = await values(page, 'stash');
  assert.deepEqual(memory.map((row) => row.bytes), pipeline.memory.bytes);
  nothingSeen(page);
});

test('tooltips say what a bar and a bubble are', async () => {
  const made = makePipelineRun();
  const page = await open(browser, save('tips.html', dataOf(made)));
  await page.locator('#chart-timeline').scrollIntoViewIfNeeded();
  const at = async (time, node, share) => {
    const place = await page.evaluate(
      ([when, id, part]) => {
        const figure = window.convoy.charts.get('timeline');
        const row = id; // the server is row 0
        const x = figure.echarts.convertToPixel({ xAxisIndex: 0 }, when);
        const y = figure.echarts.convertToPixel({ yAxisIndex: 0 }, row);
        const box = figure.picture.getBoundingClientRect();
        return [box.left + x, box.top + y + (part - 0.5) * 30];
      },
      [time, node, share]
    );
    await page.mouse.move(place[0] - 2, place[1]);
    await page.mouse.move(...place);
    return page.locator('#chart-timeline .tooltip').textContent();
  };
  const { activities, labels } = made.timeline;
  const bar = labels.indexOf('B2@3');
  const i = activities.label.indexOf(bar);
  const middle = (activities.begin_s[i] + activities.end_s[i]) / 2;
  const text = await at(middle, activities.node[i], 0.2);
  assert.match(text, /backward of micro-batch 2 at stage 4/);
  const { bubbles } = made.pipeline;
  const b = bubbles.cause.indexOf(1);
  const wait = await at((bubbles.begin_s[b] + bubbles.end_s[b]) / 2, bubbles.node[b], 0.2);
  assert.match(wait, /waits for gradients/);
  nothingSeen(page);
});

test('in the dark and on a phone', async () => {
  const data = dataOf(makePipelineRun());
  const dark = await open(browser, save('dark.html', data), { colorScheme: 'dark' });
  await everyChartIsDrawn(dark);
  await picture(dark, 'dark');
  nothingSeen(dark);
  const phone = await open(browser, save('phone.html', data), { width: 390, height: 844 });
  await everyChartIsDrawn(phone);
  await noSidewaysScrolling(phone);
  await picture(phone, 'phone');
  // A closer look has numbers there, too.
  await phone.locator('#chart-timeline').scrollIntoViewIfNeeded();
  await zoom(phone, 0, 20);
  assert.ok((await numbers(phone)).length > 5);
  nothingSeen(phone);
});

test('charts of a pipeline are saved', async () => {
  const page = await open(browser, save('saved.html', dataOf(makePipelineRun())));
  assert.match(await savedSvg(page, 'timeline'), /critical path/);
  assert.match(await savedSvg(page, 'bubbles'), /waits for gradients/);
  assert.match(await savedSvg(page, 'pipeline-path'), /stage 4/);
  assert.match(await savedSvg(page, 'stash'), /GiB/);
  nothingSeen(page);
});

test('beside another run, and without one', async () => {
  const page = await open(
    browser,
    save('both.html', dataOf(makeRun({ label: 'runs/fedavg' }), makePipelineRun()))
  );
  assert.deepEqual(await values(page, 'bubbles'), [], 'of the first run');
  assert.match(await page.locator('#chart-bubbles .nothing').textContent(), /no pipeline/);
  await page.locator('#pipeline select').selectOption('1');
  assert.equal((await values(page, 'bubbles')).length, 5);
  await everyChartIsDrawn(page);
  nothingSeen(page);
  const alone = await open(browser, save('none.html', dataOf(makeRun())));
  for (const id of own) assert.ok(!(await ids(alone)).includes(id), id);
  assert.equal(await alone.locator('#pipeline').count(), 0);
});

await run();
