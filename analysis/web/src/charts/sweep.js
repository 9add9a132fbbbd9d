// A sweep over its axes: a heat map (or dots, with one axis) and the Pareto front of two figures.
import { axisLook, categoryAxis, Figure, itemTip, legendAndGrid, nameAxis, valueAxis } from '../chart.js';
import { el, ellipsized, fillSelect, select, table, textWidth } from '../dom.js';
import { axisName, count, known, largest, number, quantity, scale } from '../format.js';
import { rowsHeight } from '../nodes.js';
import { heat, seriesColour, seriesSymbol } from '../theme.js';

export function sweepCharts(page, sweep, suffix) {
  return [sweepMap(page, sweep, suffix), sweepPareto(page, sweep, suffix), failures(sweep)];
}

const done = (sweep) => sweep.points.filter((point) => point.status === 'done');

function settings(sweep, key) {
  const found = [...new Set(sweep.points.map((point) => point.settings[key]))];
  const numbers = found.every((text) => text.trim() !== '' && Number.isFinite(Number(text)));
  return numbers ? found.sort((a, b) => Number(a) - Number(b)) : found;
}

const better = (figure) => ({ less: 'less is better', more: 'more is better' }[figure.better] ?? '');

// Keys that vary, the seed last: it is what one takes means over.
function varying(sweep) {
  const keys = sweep.keys.map((_, key) => key).filter((key) => settings(sweep, key).length > 1);
  const late = (key) => Number(sweep.keys[key] === 'seed');
  return (keys.length ? keys : sweep.keys.map((_, key) => key)).sort((a, b) => late(a) - late(b));
}

function usualFigure(sweep, names) {
  const found = names.map((name) => sweep.figures.findIndex((figure) => figure.key === name)).find((i) => i >= 0);
  return found ?? 0;
}

// --- heat map -----------------------------------------------------------------------------------

function sweepMap(page, sweep, suffix) {
  const keys = varying(sweep);
  const state = { figure: usualFigure(sweep, ['time_to_accuracy_s', 'virtual_time_s']), x: keys[0], y: keys[1] ?? -1 };
  const boxes = {};
  const choose = (name) => (value) => {
    const before = state[name];
    state[name] = Number(value);
    // The two axes are different keys: choosing the other's swaps them.
    if (name === 'x' && state.x === state.y) state.y = before;
    if (name === 'y' && state.y === state.x) state.x = before;
    for (const [axis, label] of Object.entries(boxes)) fillSelect(label.querySelector('select'), choices, state[axis]);
    figure.refresh();
  };
  const choices = keys.map((key) => [key, sweep.keys[key]]);
  const controls = [select('Figure', sweep.figures.map((each, i) => [i, each.title]), state.figure, choose('figure'))];
  if (keys.length > 1) {
    boxes.x = select('Across', choices, state.x, choose('x'));
    boxes.y = select('Up', choices, state.y, choose('y'));
    controls.push(boxes.x, boxes.y);
  }

  const cells = () => {
    const found = new Map();
    for (const point of done(sweep)) {
      const value = point.values[state.figure];
      if (!known(value)) continue;
      const x = point.settings[state.x];
      const y = state.y < 0 ? '' : point.settings[state.y];
      const key = JSON.stringify([x, y]);
      const cell = found.get(key) ?? { x, y, values: [] };
      cell.values.push(value);
      found.set(key, cell);
    }
    return [...found.values()].map((cell) => ({
      ...cell, count: cell.values.length, mean: cell.values.reduce((sum, value) => sum + value, 0) / cell.values.length,
    }));
  };
  const chosen = () => sweep.figures[state.figure];

  const figure = new Figure(page, {
    id: `sweep-map${suffix}`, title: 'Over the axes', controls,
    note: () => `${chosen().title} over ${sweep.keys[state.x]}${state.y < 0 ? '' : ` and ${sweep.keys[state.y]}`}: means `
      + `over all else. ${better(chosen()) ? `${better(chosen())[0].toUpperCase()}${better(chosen()).slice(1)}.` : ''}`,
    missing: () => (sweep.figures.length && cells().length ? '' : 'No point of the sweep has this figure.'),
    height: (size) => (state.y < 0 ? (size.narrow ? 300 : 360)
      : Math.max(240, rowsHeight(settings(sweep, state.y).length * 1.6, size, 130))),
    option: (look, size) => (state.y < 0 ? dots(look, size) : map(look, size)),
    values: cells,
    get columns() {
      const { title, unit } = chosen();
      return {
        x: [sweep.keys[state.x]], ...(state.y < 0 ? {} : { y: [sweep.keys[state.y]] }),
        mean: [`mean of ${title}`, { s: 's', bytes: 'B', J: 'J' }[unit]], count: ['points'],
      };
    },
  });

  const content = (cell) => [chosen().title, [
    [sweep.keys[state.x], cell.x], state.y < 0 ? null : [sweep.keys[state.y], cell.y],
    ['mean', quantity(cell.mean, chosen().unit)], ['points', count(cell.count)],
    cell.count > 1 ? ['all', cell.values.slice(0, 12).map((value) => quantity(value, chosen().unit)).join(', ')
      + (cell.count > 12 ? ', …' : '')] : null]];

  function map(look, size) {
    const drawn = cells();
    const across = settings(sweep, state.x);
    const up = settings(sweep, state.y);
    const units = scale(chosen().unit, largest([drawn.map((cell) => cell.mean)]));
    const means = drawn.map((cell) => units.of(cell.mean));
    const [low, high] = [Math.min(...means), Math.max(...means)];
    const { grid } = legendAndGrid(look, size, []);
    const colours = chosen().better === 'less' ? [...heat].reverse() : heat;
    return {
      grid: { ...grid, top: 58 },
      tooltip: itemTip(look, ({ data }) => data?.cell && content(data.cell)),
      xAxis: namedCategories(look, sweep.keys[state.x], across),
      yAxis: nameAxis(look, size, up, { inverse: false, name: sweep.keys[state.y], nameLocation: 'middle',
        nameGap: Math.min(size.narrow ? 104 : 178, Math.max(...up.map((text) => textWidth(text, 11)))) + 20 }),
      visualMap: {
        type: 'continuous', min: low, max: high > low ? high : low + Math.abs(low || 1) * 1e-6, dimension: 2,
        calculable: !size.saved && !size.narrow, orient: 'horizontal', left: 'center', top: 6, itemWidth: 12,
        itemHeight: size.narrow ? 90 : 200, inRange: { color: colours }, textStyle: { color: look.text },
        formatter: (value) => number(value, 3),
        text: [`${number(high, 3)} ${units.name}`, `${number(low, 3)}`].map((text) => text.trim()),
      },
      series: [{
        type: 'heatmap', progressive: 0, itemStyle: { borderColor: look.paper, borderWidth: 1.5 },
        label: { show: drawn.length <= 120 && !size.narrow, fontSize: 11,
          formatter: ({ value }) => number(value[2], 3) },
        data: drawn.map((cell, i) => ({
          value: [across.indexOf(cell.x), up.indexOf(cell.y), means[i]], cell,
          label: { color: inkOn((means[i] - low) / (high - low || 1), colours) },
        })),
      }],
    };
  }

  function dots(look, size) {
    const drawn = cells();
    const across = settings(sweep, state.x);
    const units = scale(chosen().unit, largest(drawn.map((cell) => cell.values)));
    const byPlace = across.map((x) => drawn.find((cell) => cell.x === x));
    const several = drawn.some((cell) => cell.count > 1);
    const { legend, grid } = legendAndGrid(look, size, several ? ['mean', 'each point'] : []);
    const numeric = across.every((text) => Number.isFinite(Number(text)));
    return {
      legend, grid,
      tooltip: itemTip(look, ({ data }) => data?.cell && content(data.cell)),
      xAxis: namedCategories(look, sweep.keys[state.x], across),
      yAxis: valueAxis(look, axisName(chosen().title, units.name), { nameGap: 48, scale: true }),
      series: [
        { type: numeric ? 'line' : 'scatter', name: 'mean', symbol: 'rect', symbolSize: numeric ? 7 : [22, 4], connectNulls: true,
          lineStyle: { color: seriesColour(look, 0), width: 2 }, itemStyle: { color: seriesColour(look, 0) },
          data: byPlace.map((cell, i) => ({ value: [i, cell ? units.of(cell.mean) : '-'], cell })) },
        { type: 'scatter', name: 'each point', symbol: 'circle', symbolSize: 8,
          itemStyle: { color: seriesColour(look, 1), opacity: 0.75 },
          data: several ? byPlace.flatMap((cell, i) => (cell?.values ?? []).map((value) =>
            ({ value: [i, units.of(value)], cell }))) : [] },
      ],
    };
  }
  return figure;
}

function namedCategories(look, name, texts) {
  return categoryAxis(look, name, texts, {
    nameGap: 30, axisLabel: { ...axisLook(look).axisLabel, formatter: (text) => ellipsized(text, 20), color: look.text },
  });
}

// Dark ink on the light end of the colours.
const inkOn = (share, colours) => ((colours === heat ? share : 1 - share) > 0.55 ? '#111' : '#fff');

// --- Pareto front -------------------------------------------------------------------------------

function sweepPareto(page, sweep, suffix) {
  const keys = varying(sweep);
  const state = {
    x: usualFigure(sweep, ['time_to_accuracy_s', 'virtual_time_s']),
    y: usualFigure(sweep, ['accuracy', 'accuracy_best', 'bytes_up', 'peak_memory_bytes']),
    colour: keys[0] ?? -1,
  };
  if (state.x === state.y) state.y = sweep.figures.findIndex((_, i) => i !== state.x);
  const choose = (name) => (value) => {
    state[name] = Number(value);
    figure.refresh();
  };
  const figures = sweep.figures.map((each, i) => [i, each.title]);
  const points = () => {
    const found = done(sweep).filter((point) => known(point.values[state.x]) && known(point.values[state.y]))
      .map((point) => ({ x: point.values[state.x], y: point.values[state.y], settings: point.settings }));
    const worth = ['x', 'y'].map((axis) => (sweep.figures[state[axis]].better === 'more' ? -1 : 1));
    return markFront(found, worth);
  };
  const describe = (point) => sweep.keys.map((key, i) => [key, point.settings[i]]);

  const figure = new Figure(page, {
    id: `sweep-pareto${suffix}`, title: 'Pareto front',
    controls: [
      select('Across', figures, state.x, choose('x')), select('Up', figures, state.y, choose('y')),
      keys.length ? select('Colour', keys.map((key) => [key, sweep.keys[key]]), state.colour, choose('colour')) : null,
    ].filter(Boolean),
    note: () => {
      const [x, y] = [sweep.figures[state.x], sweep.figures[state.y]];
      return `${x.title} (${better(x) || 'less is better'}) against ${y.title} (${better(y) || 'less is better'}). `
        + 'The line joins the points that no other beats in both; the others are pale.';
    },
    missing: () => (sweep.figures.length < 2 ? 'A front needs two figures.'
      : points().length ? '' : 'No point of the sweep has both figures.'),
    height: (size) => (size.narrow ? 340 : 420),
    option(look, size) {
      const drawn = points();
      const [x, y] = [sweep.figures[state.x], sweep.figures[state.y]];
      const across = scale(x.unit, largest([drawn.map((point) => point.x)]));
      const up = scale(y.unit, largest([drawn.map((point) => point.y)]));
      const groups = state.colour < 0 ? ['all'] : settings(sweep, state.colour);
      const names = [...groups, 'front'];
      const front = drawn.filter((point) => point.front).sort((a, b) => a.x - b.x || a.y - b.y);
      const { legend, grid } = legendAndGrid(look, size, names, { right: 26 });
      return {
        legend, grid,
        tooltip: itemTip(look, ({ data }) => data?.point && [data.point.front ? 'On the front' : 'Beaten in both', [
          [x.title, quantity(data.point.x, x.unit)], [y.title, quantity(data.point.y, y.unit)], ...describe(data.point)]]),
        xAxis: valueAxis(look, axisName(x.title, across.name), { scale: true }),
        yAxis: valueAxis(look, axisName(y.title, up.name), { nameGap: 48, scale: true }),
        series: [
          ...groups.map((group, i) => ({
            type: 'scatter', name: group, symbol: seriesSymbol(i), z: 3,
            itemStyle: { color: seriesColour(look, i) },
            data: drawn.filter((point) => state.colour < 0 || point.settings[state.colour] === group).map((point) => ({
              value: [across.of(point.x), up.of(point.y)], point, symbolSize: point.front ? 13 : 9,
              itemStyle: point.front ? { opacity: 1, borderColor: look.text, borderWidth: 1.2 } : { opacity: 0.4 },
            })),
          })),
          { type: 'line', name: 'front', symbol: 'none', silent: true, step: false, z: 2,
            lineStyle: { color: look.text, width: 1.4, type: [5, 3] }, itemStyle: { color: look.text },
            data: front.map((point) => [across.of(point.x), up.of(point.y)]) },
        ],
      };
    },
    values: () => points().map(({ x, y, front, settings: all }) => ({
      x, y, front, ...Object.fromEntries(sweep.keys.map((key, i) => [key, all[i]])) })),
    get columns() {
      const name = (figure) => [figure.title, { s: 's', bytes: 'B', J: 'J' }[figure.unit]];
      return {
        ...Object.fromEntries(sweep.keys.map((key) => [key, [key]])),
        x: name(sweep.figures[state.x]), y: name(sweep.figures[state.y]), front: ['on the front'],
      };
    },
  });
  return figure;
}

// On the front: no other is at least as good in both and better in one. `worth`: 1 less is better.
function markFront(points, [worthX, worthY]) {
  const order = [...points].sort((a, b) => worthX * (a.x - b.x) || worthY * (a.y - b.y));
  let best = Infinity;
  let at = null;
  for (const point of order) {
    const y = worthY * point.y;
    point.front = y < best || (y === best && point.x === at);
    if (y < best) {
      best = y;
      at = point.x;
    }
  }
  return points;
}

function failures(sweep) {
  const rows = sweep.points.filter((point) => point.status !== 'done')
    .map((point) => [...point.settings, point.status, point.cause]);
  if (!rows.length) return el('p', { class: 'note' }, `All ${count(sweep.points.length)} points are done.`);
  return el('div', {}, el('h3', {}, `${count(rows.length)} of ${count(sweep.points.length)} points are not done`),
    table('Points that failed or are missing', [...sweep.keys, 'status', 'cause'], rows, { numbers: false }));
}
