// A metric of a sweep over two of its axes as a heat map, or over its only one as dots.
import { Figure } from '../chart.js';
import { ellipsized, fillSelect, select, textWidth } from '../dom.js';
import { axisName, count, known, largest, number, quantity, scale, storeUnit } from '../format.js';
import { rowsHeight } from '../nodes.js';
import {
  axisLook,
  categoryAxis,
  closeRange,
  itemTip,
  legendAndGrid,
  nameAxis,
  upAxis,
} from '../options.js';
import { better, done, metricChoices, settings, usualMetric, varying } from '../sweeps.js';
import { heat, seriesColour } from '../theme.js';

export function sweepMap(page, sweep, suffix) {
  const keys = varying(sweep);
  const state = {
    figure: usualMetric(sweep, ['time_to_accuracy_s', 'virtual_time_s']),
    x: keys[0],
    y: keys[1] ?? -1,
  };
  const boxes = {};
  const choose = (name) => (value) => {
    const before = state[name];
    state[name] = Number(value);
    // The two axes are different keys: choosing the other's swaps them.
    if (name === 'x' && state.x === state.y) state.y = before;
    if (name === 'y' && state.y === state.x) state.x = before;
    for (const [axis, label] of Object.entries(boxes))
      fillSelect(label.querySelector('select'), choices, state[axis]);
    figure.refresh();
  };
  const choices = keys.map((key) => [key, sweep.keys[key]]);
  const controls = [
    select(
      'Metric',
      metricChoices(sweep),
      state.figure,
      choose('figure')
    ),
  ];
  if (keys.length > 1) {
    boxes.x = select('Across', choices, state.x, choose('x'));
    boxes.y = select('Up', choices, state.y, choose('y'));
    controls.push(boxes.x, boxes.y);
  }

  const cells = () => {
    const found = new Map();
    for (const point of done(sweep)) {
      const value = point.values[state.figure];
      const x = point.settings[state.x];
      const y = state.y < 0 ? '' : point.settings[state.y];
      const key = JSON.stringify([x, y]);
      const cell = found.get(key) ?? { x, y, values: [], of: 0 };
      cell.of += 1;
      if (known(value)) cell.values.push(value);
      found.set(key, cell);
    }
    const any = [...found.values()].filter((cell) => cell.values.length);
    return any.map((cell) => ({
      ...cell,
      count: cell.values.length,
      mean: cell.values.reduce((sum, value) => sum + value, 0) / cell.values.length,
    }));
  };
  const chosen = () => sweep.figures[state.figure];

  const figure = new Figure(page, {
    id: `sweep-map${suffix}`,
    title: 'Over the axes',
    controls,
    note() {
      const keys = [state.x, state.y].filter((key) => key >= 0).map((key) => sweep.keys[key]);
      const wish = better(chosen());
      return (
        `${chosen().title} over ${keys.join(' and ')}: means over all else.` +
        (wish ? ` ${wish[0].toUpperCase()}${wish.slice(1)}.` : '') +
        (cells().some(partial) ? ' *: some points there do not have it; the mean is of the others.' : '')
      );
    },
    missing: () =>
      sweep.figures.length && cells().length ? '' : 'No point of the sweep has this metric.',
    height: (size) =>
      state.y < 0
        ? size.narrow
          ? 300
          : 360
        : Math.max(240, rowsHeight(settings(sweep, state.y).length * 1.6, size, 130)),
    option: (look, size) => (state.y < 0 ? dots(look, size) : map(look, size)),
    values: cells,
    get columns() {
      const { title, unit } = chosen();
      return {
        x: [sweep.keys[state.x]],
        ...(state.y < 0 ? {} : { y: [sweep.keys[state.y]] }),
        mean: [`mean of ${title}`, storeUnit(unit)],
        count: ['points'],
      };
    },
  });

  const content = (cell) => [
    chosen().title,
    [
      [sweep.keys[state.x], cell.x],
      state.y < 0 ? null : [sweep.keys[state.y], cell.y],
      ['mean', quantity(cell.mean, chosen().unit)],
      ['points', partial(cell) ? `${count(cell.count)} of ${count(cell.of)}` : count(cell.count)],
      cell.count > 1
        ? [
            'all',
            cell.values
              .slice(0, 12)
              .map((value) => quantity(value, chosen().unit))
              .join(', ') + (cell.count > 12 ? ', …' : ''),
          ]
        : null,
    ],
  ];

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
      grid: { ...grid, top: 40 },
      tooltip: itemTip(look, ({ data }) => data?.cell && content(data.cell)),
      xAxis: namedCategories(look, size, sweep.keys[state.x], across),
      yAxis: nameAxis(look, size, up, {
        inverse: false,
        name: sweep.keys[state.y],
        nameLocation: 'middle',
        nameGap:
          Math.min(size.narrow ? 104 : 178, Math.max(...up.map((text) => textWidth(text, 11)))) +
          20,
      }),
      visualMap: {
        type: 'continuous',
        min: low,
        max: high > low ? high : low + Math.abs(low || 1) * 1e-6,
        dimension: 2,
        calculable: false,
        orient: 'horizontal',
        left: 'center',
        top: 6,
        itemWidth: 12,
        itemHeight: size.narrow ? 90 : 200,
        inRange: { color: colours },
        textStyle: { color: look.text },
        formatter: (value) => number(value, 3),
        text: [
          `${number(high, 3)} ${units.name}`.trim(),
          `${ellipsized(chosen().title, 24)}: ${number(low, 3)}`,
        ],
      },
      series: [
        {
          type: 'heatmap',
          progressive: 0,
          itemStyle: { borderColor: look.paper, borderWidth: 1.5 },
          label: {
            show: drawn.length <= 120 && !size.narrow,
            fontSize: 11,
            formatter: ({ value, data }) => `${number(value[2], 3)}${partial(data.cell) ? '*' : ''}`,
          },
          data: drawn.map((cell, i) => ({
            value: [across.indexOf(cell.x), up.indexOf(cell.y), means[i]],
            cell,
            label: { color: inkOn((means[i] - low) / (high - low || 1), colours) },
          })),
        },
      ],
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
      legend,
      grid,
      tooltip: itemTip(look, ({ data }) => data?.cell && content(data.cell)),
      xAxis: namedCategories(look, size, sweep.keys[state.x], across),
      yAxis: upAxis(look, size, axisName(chosen().title, units.name), closeRange(chosen().unit)),
      series: [
        {
          type: numeric ? 'line' : 'scatter',
          name: 'mean',
          symbol: 'rect',
          symbolSize: numeric ? 7 : [22, 4],
          connectNulls: true,
          lineStyle: { color: seriesColour(look, 0), width: 2 },
          itemStyle: { color: seriesColour(look, 0) },
          data: byPlace.map((cell, i) => ({ value: [i, cell ? units.of(cell.mean) : '-'], cell })),
        },
        {
          type: 'scatter',
          name: 'each point',
          symbol: 'circle',
          symbolSize: 8,
          itemStyle: { color: seriesColour(look, 1), opacity: 0.75 },
          data: several
            ? byPlace.flatMap((cell, i) =>
                (cell?.values ?? []).map((value) => ({ value: [i, units.of(value)], cell }))
              )
            : [],
        },
      ],
    };
  }
  return figure;
}

// Not all of its points have the metric.
const partial = (cell) => cell.count < cell.of;

// Where the names do not fit side by side they are slanted.
function namedCategories(look, size, name, texts) {
  const room = (size.width - (size.narrow ? 150 : 260)) / texts.length;
  const slanted = texts.some((text) => textWidth(ellipsized(text, 30), 11) + 8 > room);

  return categoryAxis(look, name, texts, {
    nameGap: slanted ? 24 : 30,
    axisLabel: {
      ...axisLook(look).axisLabel,
      formatter: (text) => ellipsized(text, 30),
      hideOverlap: texts.length > 24,
      interval: texts.length > 24 ? 'auto' : 0,
      rotate: slanted ? 35 : 0,
      color: look.text,
    },
  });
}

// Dark ink on the light end of the colours.
const inkOn = (share, colours) => ((colours === heat ? share : 1 - share) > 0.55 ? '#111' : '#fff');
