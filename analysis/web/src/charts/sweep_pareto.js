// The Pareto front of two metrics of a sweep, over the means of points that differ in their seed alone.
import { Figure } from '../chart.js';
import { select } from '../dom.js';
import { axisName, count, known, largest, quantity, scale, storeUnit } from '../format.js';
import { closeRange, itemTip, legendAndGrid, upAxis, valueAxis } from '../options.js';
import {
  better,
  interval,
  metricChoices,
  seedGroups,
  settingIndex,
  settings,
  usualMetric,
  varying,
} from '../sweeps.js';
import { seriesColour, seriesSymbol } from '../theme.js';

export function sweepPareto(page, sweep, suffix) {
  const keys = varying(sweep).filter((key) => sweep.keys[key] !== 'seed');
  const state = {
    x: usualMetric(sweep, ['time_to_accuracy_s', 'virtual_time_s']),
    y: usualMetric(sweep, ['accuracy', 'accuracy_best', 'energy_j', 'bytes', 'bytes_up']),
    colour: keys[0] ?? -1,
  };
  if (state.x === state.y) state.y = sweep.figures.findIndex((_, i) => i !== state.x);
  const choose = (name) => (value) => {
    state[name] = Number(value);
    figure.refresh();
  };
  const metrics = metricChoices(sweep);
  const points = () => {
    const found = seedGroups(sweep).flatMap((group) => {
      const both = group.points.filter(
        ({ values }) => known(values[state.x]) && known(values[state.y])
      );
      if (!both.length) return [];
      const [x, y] = [state.x, state.y].map((i) => interval(both.map(({ values }) => values[i])));
      return [
        {
          settings: group.settings,
          count: both.length,
          of: group.points.length,
          x: x.mean,
          y: y.mean,
          ends: { x: [x.low, x.high], y: [y.low, y.high] },
        },
      ];
    });
    const worth = ['x', 'y'].map((axis) => (sweep.figures[state[axis]].better === 'more' ? -1 : 1));
    return markFront(found, worth);
  };

  const figure = new Figure(page, {
    id: `sweep-pareto${suffix}`,
    title: 'Pareto front',
    controls: [
      select('Across', metrics, state.x, choose('x')),
      select('Up', metrics, state.y, choose('y')),
      keys.length
        ? select(
            'Colour',
            keys.map((key) => [key, sweep.keys[key]]),
            state.colour,
            choose('colour')
          )
        : null,
    ].filter(Boolean),
    note() {
      const [x, y] = [state.x, state.y].map((i) => {
        const metric = sweep.figures[i];
        return `${metric.title} (${better(metric) || 'less is better'})`;
      });
      const drawn = points();
      return (
        `${x} against ${y}. The line joins the points that no other beats in both; the others are ` +
        'pale.' +
        (drawn.some((point) => point.of > 1)
          ? ' A point is the mean over seeds; its whiskers are the 95 % intervals, ' +
            'cut where they leave the picture.'
          : '') +
        (drawn.some((point) => point.count < point.of)
          ? ' Where not all seeds have both metrics, the mean is of those that do.'
          : '')
      );
    },
    missing: () =>
      sweep.figures.length < 2
        ? 'A front needs two metrics.'
        : points().length
          ? ''
          : 'No point of the sweep has both metrics.',
    height: (size) => (size.narrow ? 360 : 440),
    option(look, size) {
      const drawn = points();
      const [x, y] = [sweep.figures[state.x], sweep.figures[state.y]];
      const across = scale(x.unit, largest([drawn.map((point) => point.x)]));
      const up = scale(y.unit, largest([drawn.map((point) => point.y)]));
      const groups = state.colour < 0 ? ['all'] : settings(sweep, state.colour);
      const index = (group, i) =>
        state.colour < 0 ? 0 : settingIndex(page, sweep, state.colour, group, i);
      const names = [...groups, 'front'];
      const front = drawn.filter((point) => point.front).sort((a, b) => a.x - b.x || a.y - b.y);
      const { legend, grid } = legendAndGrid(look, size, names, {
        right: 26,
        legend: {
          itemWidth: 14,
          data: [...groups, { name: 'front', icon: 'path://M0 0H20V2H0Z' }],
        },
      });
      const inGroup = (group) => (point) =>
        state.colour < 0 || point.settings[state.colour] === group;
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ data }) => data?.point && content(sweep, data.point, x, y)),
        xAxis: valueAxis(look, axisName(x.title, across.name), closeRange(x.unit)),
        yAxis: upAxis(look, size, axisName(y.title, up.name), closeRange(y.unit)),
        series: [
          ...groups.map((group, i) => ({
            type: 'scatter',
            name: group,
            symbol: seriesSymbol(index(group, i)),
            z: 3,
            itemStyle: { color: seriesColour(look, index(group, i)) },
            data: drawn.filter(inGroup(group)).map((point) => ({
              value: [across.of(point.x), up.of(point.y)],
              point,
              symbolSize: point.front ? 13 : 9,
              itemStyle: point.front
                ? { opacity: 1, borderColor: look.text, borderWidth: 1.2 }
                : { opacity: 0.4 },
            })),
          })),
          ...groups.map((group, i) =>
            whiskers(
              group,
              drawn.filter(inGroup(group)),
              seriesColour(look, index(group, i)),
              across,
              up
            )
          ),
          extent(drawn, across, up),
          {
            type: 'line',
            name: 'front',
            symbol: 'none',
            silent: true,
            step: false,
            z: 2,
            lineStyle: { color: look.text, width: 1.4, type: [5, 3] },
            itemStyle: { color: look.text },
            data: front.map((point) => [across.of(point.x), up.of(point.y)]),
          },
        ],
      };
    },
    values: () =>
      points().map(({ x, y, front, ends, count: seeds, settings: chosen }) => ({
        x,
        y,
        x_low: ends.x[0],
        x_high: ends.x[1],
        y_low: ends.y[0],
        y_high: ends.y[1],
        count: seeds,
        front,
        ...Object.fromEntries(named(sweep, chosen)),
      })),
    get columns() {
      const name = (metric, what) => [`${metric.title}${what}`, storeUnit(metric.unit)];
      const [x, y] = [sweep.figures[state.x], sweep.figures[state.y]];
      return {
        ...Object.fromEntries(
          sweep.keys.filter((key) => key !== 'seed').map((key) => [key, [key]])
        ),
        x: name(x, ''),
        x_low: name(x, ', from'),
        x_high: name(x, ', to'),
        y: name(y, ''),
        y_low: name(y, ', from'),
        y_high: name(y, ', to'),
        count: ['points'],
        front: ['on the front'],
      };
    },
  });
  return figure;
}

// [key, setting] of what a group has in common.
const named = (sweep, chosen) =>
  sweep.keys.map((key, i) => [key, chosen[i]]).filter(([key]) => key !== 'seed');

function content(sweep, point, x, y) {
  const lines = ['x', 'y'].flatMap((axis) => {
    const metric = { x, y }[axis];
    const [low, high] = point.ends[axis];
    return [
      [metric.title, quantity(point[axis], metric.unit)],
      known(low)
        ? ['95 % interval', `${quantity(low, metric.unit)} .. ${quantity(high, metric.unit)}`]
        : null,
    ];
  });
  return [
    point.front ? 'On the front' : 'Beaten in both',
    [
      ...lines,
      point.of > 1
        ? ['seeds', point.count < point.of ? `${count(point.count)} of ${count(point.of)}` : count(point.of)]
        : null,
      ...named(sweep, point.settings),
    ],
  ];
}

// Unseen points that make room for the whiskers, at most as much again as the points take: few seeds
// have wide intervals, which would hide the differences.
function extent(points, across, up) {
  const ends = (axis, unit) => {
    const values = points.map((point) => point[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const span = high - low || Math.abs(high) * 0.1;
    const all = points.flatMap((point) => point.ends[axis].filter(known));
    return [
      Math.max(low - span, Math.min(low, ...all)),
      Math.min(high + span, Math.max(high, ...all)),
    ].map(unit.of);
  };
  const [left, right] = ends('x', across);
  const [bottom, top] = ends('y', up);
  return {
    type: 'scatter',
    silent: true,
    symbolSize: 0,
    tooltip: { show: false },
    data: [
      [left, bottom],
      [right, top],
    ],
  };
}

// Lines over the intervals of points, with a small bar at each end.
function whiskers(name, points, color, across, up) {
  const shown = points.filter((point) => known(point.ends.x[0]) || known(point.ends.y[0]));
  const line = (from, to, opacity) => ({
    type: 'line',
    shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
    style: { stroke: color, lineWidth: 1.3, opacity },
  });
  return {
    type: 'custom',
    name,
    silent: true,
    clip: true,
    z: 1,
    tooltip: { show: false },
    itemStyle: { color },
    data: shown.map((point) => [across.of(point.x), up.of(point.y)]),
    renderItem(params, api) {
      const { x, y, ends, front } = shown[params.dataIndex];
      const at = (a, b) => api.coord([across.of(a), up.of(b)]);
      const opacity = front ? 0.9 : 0.45;
      const [left, right] = ends.x.map((end) => at(end ?? x, y));
      const [low, high] = ends.y.map((end) => at(x, end ?? y));
      const cap = 4;
      return {
        type: 'group',
        children: [
          line(left, right, opacity),
          line(low, high, opacity),
          ...[left, right].map(([px, py]) => line([px, py - cap], [px, py + cap], opacity)),
          ...[low, high].map(([px, py]) => line([px - cap, py], [px + cap, py], opacity)),
        ],
      };
    },
  };
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
