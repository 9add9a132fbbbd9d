// Tests the charts of groups of runs, of traces, and the head of a report, in a browser:
// node tests/browser/groups_test.mjs [part of a name]
import assert from 'node:assert/strict';
import {
  colours,
  folder,
  ids,
  noSidewaysScrolling,
  nothingSeen,
  open,
  savedSvg,
  suite,
  values,
} from './browser.mjs';
import { everything, makeData } from './fixture.mjs';

const { browser, test, run } = await suite();
const save = folder();

// Rows that a chart of bands shows, from the data.
const bandRows = (data, x, y, groups) =>
  data.bands
    .filter((band) => band.x === x && band.y === y && groups.includes(band.group))
    .flatMap((band) =>
      band.at.map((at, i) => ({
        group: band.group,
        runs: band.runs,
        [x]: at,
        mean: band.mean[i],
        low: band.low[i],
        high: band.high[i],
      }))
    );

test('groups of runs are drawn with their intervals', async () => {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ]) {
    const data = makeData({ ...everything, bands: 12 });
    const labels = [...new Set(data.bands.map((band) => band.group))];
    data.comparison.groups.push({ label: labels[10], runs: ['a'], seeds: ['1'] });
    data.comparison.baseline = 3;
    for (const figure of data.comparison.figures) {
      for (const key of ['mean', 'ratio', 'paired']) figure[key].push(null);
      figure.values.push([null]);
    }
    const page = await open(browser, save('bands.html', data), { colorScheme, width });
    const shown = [...labels.slice(0, 8), labels[10]];
    assert.deepEqual(
      await values(page, 'accuracy-bands'),
      bandRows(data, 'time_s', 'accuracy', shown),
      'the first eight and the baseline'
    );
    const over = page.locator('#chart-accuracy-bands').getByLabel('Over', { exact: true });
    for (const x of ['updates', 'bytes', 'energy_j']) {
      await over.selectOption(x);
      for (const y of ['accuracy', 'loss'])
        assert.deepEqual(await values(page, `${y}-bands`), bandRows(data, x, y, shown));
    }
    await page.locator('#bands-groups summary').click();
    await page.locator('#bands-groups').getByLabel(labels[11], { exact: true }).check();
    await page.locator('#bands-groups').getByLabel(labels[0], { exact: true }).uncheck();
    assert.deepEqual(
      [...new Set((await values(page, 'loss-bands')).map((row) => row.group))],
      [...labels.slice(1, 8), ...labels.slice(10)]
    );
    assert.match(await page.locator('#bands-groups summary').innerText(), /9 of 12/);
    const axis = await page.evaluate(() => {
      const chart = window.convoy.charts.get('accuracy-bands').echarts;
      return chart.getModel().getComponent('yAxis').axis.scale.getExtent();
    });
    assert.ok(axis[0] >= 0 && axis[1] <= 100, `${axis}`);
    assert.ok((await colours(page, 'accuracy-bands')) > 8);
    await noSidewaysScrolling(page);
    nothingSeen(page);
  }
  const sweep = makeData({ runs: 0, sweep: true, bands: 3 });
  const page = await open(browser, save('sweepbands.html', sweep));
  assert.equal((await values(page, 'accuracy-bands')).length, 3 * 20);
  const alone = makeData({ runs: 2, bands: 2 });
  for (const band of alone.bands) band.runs = 1;
  const plain = await open(browser, save('alone.html', alone));
  assert.ok(!(await ids(plain)).includes('accuracy-bands'), 'curves of the runs say all');
  await plain.locator('#chart-accuracy').getByLabel('Over', { exact: true }).selectOption('updates');
  assert.deepEqual(
    (await values(plain, 'accuracy')).map((row) => row.updates),
    alone.runs.flatMap((run) => run.curve.updates)
  );
  nothingSeen(plain);
});

test('the trace of a node is below its timeline, on one time axis', async () => {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ]) {
    const data = makeData({ runs: 1, nodes: 6, activities: 200, traced: 2 });
    const [{ traces, nodes }] = data.runs;
    const page = await open(browser, save('trace.html', data), { colorScheme, width });
    const expected = (node) =>
      traces.node.flatMap((each, i) =>
        each === node
          ? [
              {
                node,
                name: nodes.name[nodes.id.indexOf(node)],
                column: traces.column[i],
                time_s: traces.time_s[i],
                value: traces.value[i],
              },
            ]
          : []
      );
    assert.deepEqual(await values(page, 'trace'), expected(1));
    await page.locator('#chart-trace').getByLabel('Node', { exact: true }).selectOption('2');
    assert.deepEqual(await values(page, 'trace'), expected(2));
    assert.ok((await colours(page, 'trace')) > 4);
    // The ends of the axis, and where a time is: as in the timeline.
    const axes = () =>
      page.evaluate(() =>
        ['timeline', 'trace'].map((id) => {
          const chart = window.convoy.charts.get(id).echarts;
          const time = window.convoy.charts.get('timeline').window();
          const unit = chart.getOption().xAxis.length; // a small grid for each column
          return [
            time.map((at) => Math.round(chart.convertToPixel({ xAxisIndex: unit - 1 }, at))),
            chart.getModel().getComponent('xAxis', 0).axis.scale.getExtent(),
          ];
        })
      );
    const agree = async () => {
      const [above, below] = await axes();
      assert.deepEqual(below[0], above[0]);
      for (const end of [0, 1]) assert.ok(Math.abs(below[1][end] - above[1][end]) < 1e-6);
    };
    await agree();
    await page.locator('#chart-timeline').getByRole('button', { name: 'Zoom in' }).click();
    await page.locator('#chart-timeline').getByRole('button', { name: 'Later' }).click();
    await agree();
    await noSidewaysScrolling(page);
    nothingSeen(page);
  }
  const page = await open(browser, save('untraced.html', makeData({ runs: 1, activities: 100 })));
  assert.ok(!(await ids(page)).includes('trace'));
});

test('plans are a chart over time and tables', async () => {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ]) {
    const data = makeData({ runs: 1, nodes: 7, activities: 200, planned: 4 });
    const [{ plans, nodes: fleet }] = data.runs;
    const page = await open(browser, save('plans.html', data), { colorScheme, width });
    const { nodes } = plans;
    assert.deepEqual(
      (await values(page, 'plans')).map(({ name, time_s, ...row }) => [name, time_s, row]),
      nodes.plan.map((plan, i) => [
        fleet.name[fleet.id.indexOf(nodes.node[i])],
        plans.time_s[plan],
        Object.fromEntries(Object.keys(nodes).map((key) => [key, nodes[key][i]])),
      ])
    );
    assert.ok((await colours(page, 'plans')) > 4);
    const made = page.locator('#plan .part > .whole tbody tr');
    assert.equal(await made.count(), 4);
    const texts = await made.allInnerTexts();
    assert.ok(texts[0].includes('the first plan') && texts[0].includes('adopted'), texts[0]);
    assert.ok(texts[1].includes('a speed or a link has changed'), texts[1]);
    assert.ok(texts[1].includes('kept: a move costs 12.5 s'), texts[1]);
    assert.ok(texts[1].includes('41 s') && texts[1].includes('30 s'), texts[1]);
    await page.locator('#plan details.more summary').click();
    const cells = await page.locator('#plan details.more tbody tr').allInnerTexts();
    assert.equal(cells.length, nodes.plan.length);
    assert.ok(cells[0].includes('8 Mbit/s') && cells[0].includes('16 Mbit/s'), cells[0]);
    assert.ok(cells[2].includes('no limit') && cells[2].includes('not shared'), cells[2]);
    // Nodes 3 and 6 always had the same cuts; 2 was away once, which 5 was not; 1 and 4 moved.
    const { series } = await page.evaluate(() => ({
      series: window.convoy.charts
        .get('plans')
        .option()
        .series.filter((each) => each.type === 'line')
        .map((each) => each.data.length),
    }));
    assert.deepEqual([...series].sort(), [3, 4, 4, 4]);
    assert.ok((await page.locator('#summary').innerText()).length > 0);
    await noSidewaysScrolling(page);
    await savedSvg(page, 'plans');
    nothingSeen(page);
  }
  // A store of before: its text stands where the cause would. And a run without plans has no section.
  const data = makeData({ runs: 1, activities: 100, planned: 1 });
  const { plans } = data.runs[0];
  for (const key of ['cause', 'adopted', 'round_s', 'best_round_s', 'cost_s']) plans[key] = [null];
  for (const key of Object.keys(plans.nodes)) plans.nodes[key] = [];
  plans.text = ['cause=first round_s=3.1 1:4/1e+06/0.2'];
  const old = await open(browser, save('plans.html', data));
  assert.ok((await old.locator('#plan').innerText()).includes(plans.text[0]));
  assert.deepEqual(await values(old, 'plans'), []);
  const none = await open(browser, save('plans.html', makeData({ runs: 1, activities: 100 })));
  assert.ok(!(await ids(none)).includes('plans'));
});

test('the head says what the runs are made of', async () => {
  const data = makeData({ runs: 3 });
  data.runs[2].seed = '18446744073709551615';
  const page = await open(browser, save('head.html', data));
  const text = await page.locator('header .made').innerText();
  const fleet = data.runs[0].fleet;
  assert.equal(
    text,
    `cnn-small · glyphs · ${fleet} · cos2p, fedavg, fedasync · seeds 1, 2, 18446744073709551615`
  );
  assert.equal(await page.locator('h1').innerText(), 'cos2p and 2 more');
  for (const run of data.runs) run.name = 'one';
  const same = await open(browser, save('head.html', data), { width: 390, colorScheme: 'dark' });
  assert.equal(await same.locator('h1').innerText(), 'one');
  await noSidewaysScrolling(same);
});

test('the Pareto front is one of means over seeds, with intervals', async () => {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ]) {
    const data = makeData({ runs: 0, sweep: { keys: 2 }, comparison: true });
    const [sweep] = data.sweeps;
    const title = `energy (workers) x time ${'and more '.repeat(6)}`;
    sweep.figures[3].title = title;
    // Close to the end of the scale.
    for (const point of sweep.points)
      if (point.status === 'done') point.values[1] = 0.99 + point.values[1] / 100;
    const page = await open(browser, save('front.html', data), { colorScheme, width });
    const rows = await values(page, 'sweep-pareto');
    const done = sweep.points.filter((point) => point.status === 'done');
    const groups = new Set(done.map(({ settings }) => settings.slice(0, 2).join()));
    assert.equal(rows.length, groups.size);
    // Student's t for 1 and 2 degrees of freedom.
    const quantile = { 2: 12.706, 3: 4.303 };
    for (const row of rows) {
      const points = done.filter(
        ({ settings }) =>
          settings[0] === row['schedule.kind'] && settings[1] === row['fleet.nodes.0.count']
      );
      assert.equal(row.count, points.length);
      for (const [axis, i] of [
        ['x', 0],
        ['y', 1],
      ]) {
        const all = points.map((point) => point.values[i]);
        const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
        assert.ok(Math.abs(row[axis] - mean) < 1e-9 * mean);
        if (all.length < 2) {
          assert.equal(row[`${axis}_low`], null);
          continue;
        }
        const square = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (all.length - 1);
        const half = quantile[all.length] * Math.sqrt(square / all.length);
        assert.ok(Math.abs(row[`${axis}_high`] - mean - half) < 1e-6 * mean);
        assert.ok(Math.abs(mean - row[`${axis}_low`] - half) < 1e-6 * mean);
      }
    }
    const ranges = await page.evaluate(() => {
      const model = window.convoy.charts.get('sweep-pareto').echarts.getModel();
      return model.getComponent('yAxis').axis.scale.getExtent();
    });
    assert.ok(ranges[1] <= 100, `${ranges}`);
    const up = page.locator('#chart-sweep-pareto').getByLabel('Up', { exact: true });
    assert.equal(await up.locator('option:checked').innerText(), 'accuracy');
    await up.selectOption('3');
    // The whole name of the axis is within the picture.
    const [name, wide] = await page.evaluate(() => {
      const chart = window.convoy.charts.get('sweep-pareto').echarts;
      const texts = chart
        .getZr()
        .storage.getDisplayList()
        .filter((each) => each.type === 'tspan' && each.style.text?.startsWith('energy'));
      const boxes = texts.map((each) => {
        const box = each.getBoundingRect().clone();
        box.applyTransform(each.transform ?? [1, 0, 0, 1, 0, 0]);
        return [box.x, box.x + box.width];
      });
      return [boxes, chart.getWidth()];
    });
    assert.ok(name.length > 0);
    for (const [from, to] of name) assert.ok(from >= 0 && to <= wide, `${from} .. ${to} of ${wide}`);
    await noSidewaysScrolling(page);
    nothingSeen(page);
  }
  // Without accuracies: virtual time against energy.
  const data = makeData({ runs: 0, sweep: true });
  const [sweep] = data.sweeps;
  Object.assign(sweep.figures[0], { key: 'virtual_time_s', title: 'virtual time', target: null });
  for (const point of sweep.points) point.values[1] = null;
  const page = await open(browser, save('front2.html', data));
  const chosen = (label) =>
    page
      .locator('#chart-sweep-pareto')
      .getByLabel(label, { exact: true })
      .locator('option:checked')
      .innerText();
  assert.deepEqual(
    [await chosen('Across'), await chosen('Up')],
    ['virtual time', 'energy (workers)']
  );
});

// The text of each cell of the map of winners, by row and column.
const winnersShown = (page) =>
  page.evaluate(() => {
    const texts = (row, what) => [...row.querySelectorAll(what)].map((each) => each.innerText);
    const table = document.querySelector('#winners table');
    return {
      head: [...table.querySelectorAll('thead th')].map((each) => each.textContent),
      rows: [...table.querySelectorAll('tbody tr')].map((row) => ({
        name: texts(row, 'th b').join(', '),
        cells: texts(row, 'td'),
      })),
    };
  });

test('who wins where is a table that says all in words', async () => {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 360],
  ]) {
    const data = makeData({ runs: 0, sweep: { keys: 3 }, comparison: true });
    const [map] = data.sweeps[0].winners;
    const page = await open(browser, save('winners.html', data), { colorScheme, width, height: 740 });
    const panel = page.locator('#winners');
    const chooser = (label) => panel.getByLabel(label, { exact: true });
    // Every cell of the data is at its place, for each metric.
    for (const [m, metric] of map.metrics.entries()) {
      await chooser('Metric').selectOption({ label: metric.title });
      const { head, rows } = await winnersShown(page);
      assert.deepEqual(head.slice(1), ['wifi6', 'lte', 'ethernet-100m', '5g'].map((link) => `link = ${link}`));
      assert.deepEqual(
        rows.map((row) => row.name),
        ['1', '2', '4', '8', '16'].map((nodes) => `count = ${nodes}`)
      );
      for (const cell of map.cells) {
        const [nodes, link] = cell.settings;
        const row = rows.find(({ name }) => name === `count = ${nodes}`);
        const text = row.cells[head.indexOf(`link = ${link}`) - 1];
        const { winner, runner_up, lead, mark, clear } = cell.verdicts[m];
        const name = winner === null ? 'nobody' : map.contestants[winner].label;
        assert.ok(text.startsWith(name), `${text} is not of ${name}`);
        assert.ok(text.includes(mark), text);
        if (lead) assert.ok(text.includes(`${lead} than ${map.contestants[runner_up].label}`), text);
        assert.equal(text.includes('✓'), clear === true, text);
        assert.equal(text.includes('≈'), clear === false, text);
        assert.equal(text.includes('out of memory'), cell.entrants[0].failed > 0, text);
      }
    }
    // Axes swap, by the keyboard as well.
    await chooser('Down').focus();
    await page.keyboard.press('ArrowDown');
    const swapped = await winnersShown(page);
    assert.equal(swapped.rows.length, 4);
    assert.equal(swapped.head[1], 'count = 1');
    assert.equal(await chooser('Across').inputValue(), '0');
    // Another contest has other cells.
    await chooser('Contest').selectOption({ label: 'fleet.link' });
    const other = await winnersShown(page);
    assert.equal(other.head.length, 1 + 5);
    assert.deepEqual(
      other.rows.map((row) => row.name),
      ['kind = fedavg', 'kind = cos2p', 'kind = fedasync']
    );
    // Each contestant has a colour of its own, the same in the legend and in the cells.
    const colours = await page.evaluate(() => {
      const all = (what) =>
        [...document.querySelectorAll(what)].map((each) => getComputedStyle(each).getPropertyValue('--won'));
      return { legend: all('#winners .swatch'), cells: all('#winners .won:not(.nobody)') };
    });
    assert.equal(new Set(colours.legend).size, 4);
    for (const colour of colours.cells) assert.ok(colours.legend.includes(colour), colour);
    await panel.getByText('All figures of the cells', { exact: true }).click();
    const figures = await panel.locator('.scroll table').innerText();
    assert.match(figures, /difference \[95 % interval\]/);
    await noSidewaysScrolling(page);
    nothingSeen(page);
  }
  // Three axes beside the contest: the third makes further rows.
  const data = makeData({ runs: 0, sweep: { keys: 3 } });
  const [map] = data.sweeps[0].winners;
  map.keys.push('training.batch');
  map.names.push('batch');
  map.cells = ['16', '8'].flatMap((batch) =>
    map.cells.map((cell) => ({ ...cell, settings: [...cell.settings, batch] }))
  );
  map.cells.pop(); // one that the sweep does not have
  const page = await open(browser, save('winners3.html', data));
  const { rows } = await winnersShown(page);
  assert.equal(rows.length, 10);
  assert.deepEqual(
    rows.slice(0, 2).map((row) => row.name),
    ['count = 1, batch = 8', 'count = 1, batch = 16']
  );
  assert.equal(rows.flatMap((row) => row.cells).filter((text) => text === 'not in the sweep').length, 1);
  nothingSeen(page);
  // No contest: no panel. One cell: no axes to choose.
  const none = makeData({ runs: 0, sweep: true });
  none.sweeps[0].winners = [];
  assert.equal(await (await open(browser, save('none.html', none))).locator('#winners').count(), 0);
  const one = makeData({ runs: 0, sweep: { keys: 1 } });
  const alone = await open(browser, save('alone.html', one));
  assert.equal(await alone.locator('#winners .whole tbody tr').count(), 1);
  assert.equal(await alone.locator('#winners').getByLabel('Down', { exact: true }).isVisible(), false);
  nothingSeen(alone);
});

test('many groups are ranked by the chosen metric', async () => {
  const data = makeData({ runs: 0, sweep: true, comparison: true, bands: 3 });
  const { comparison } = data;
  const [first] = comparison.groups;
  for (let g = 3; g < 9; g += 1) {
    comparison.groups.push({ ...first, label: `group ${g}`, runs: first.runs.map((r) => `${r}-${g}`) });
    for (const figure of comparison.figures) {
      const shift = figure.mean[1] * (1 + 0.05 * (g % 4));
      figure.values.push(figure.values[1].map((value) => value - figure.mean[1] + shift));
      figure.mean.push(shift);
      figure.ratio.push(shift / figure.mean[0]);
      figure.paired.push({ ...figure.paired[1], mean: shift - figure.mean[0] });
    }
  }
  const [timed] = comparison.figures;
  timed.values[8] = timed.values[8].map(() => null); // one that has no value at all
  Object.assign(timed, { mean: timed.mean.with(8, null), ratio: timed.ratio.with(8, null) });
  timed.paired[8] = null;
  timed.values[7] = timed.values[7].map((value, i) => (i === 2 ? value / 9 : null)); // and one of five
  timed.mean[7] = timed.values[7][2];
  const page = await open(browser, save('ranks.html', data));
  const ranked = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('#ranking tbody th')].map((each) => each.textContent)
    );
  const wanted = (figure) => {
    const worth = figure.better === 'more' ? -1 : 1;
    return comparison.groups
      .map(({ label }, g) => ({
        label,
        mean: figure.values[g].includes(null) ? worth * (1e9 + g) : figure.mean[g],
      }))
      .sort((a, b) => worth * (a.mean - b.mean))
      .map(({ label }) => label);
  };
  const same = (found, labels) =>
    assert.deepEqual(
      found.map((text) => text.replace(/ \(.*/, '')),
      labels
    );
  same(await ranked(), wanted(timed));
  assert.equal((await ranked()).at(-1).startsWith('group 8'), true, 'unknown ones are last');
  assert.equal((await ranked()).at(-2).startsWith('group 7'), true, 'before it one of few runs');
  const accuracy = comparison.figures.find(({ key }) => key === 'accuracy');
  await page.locator('#chart-comparison select').selectOption({ label: 'accuracy' });
  same(await ranked(), wanted(accuracy));
  const best = page.locator('#ranking tbody tr').first();
  assert.match(await best.innerText(), /bootstrap|baseline|, t,/);
  assert.equal(await page.locator('#compared-table').isVisible(), false);
  await page.getByText('All metrics of all groups', { exact: true }).click();
  assert.equal(await page.locator('#compared-table').isVisible(), true);
  nothingSeen(page);
  for (const colorScheme of ['light', 'dark']) {
    const options = { width: 360, height: 740, colorScheme };
    const phone = await open(browser, save('ranks.html', data), options);
    await noSidewaysScrolling(phone);
  }
});

await run();
