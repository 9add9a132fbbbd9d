// The Pareto front of two figures of a sweep.
import { Figure } from '../chart.js';
import { select } from '../dom.js';
import { axisName, known, largest, quantity, scale } from '../format.js';
import { itemTip, legendAndGrid, valueAxis } from '../options.js';
import { better, done, settings, usualFigure, varying } from '../sweeps.js';
import { seriesColour, seriesSymbol } from '../theme.js';

export function sweepPareto(page, sweep, suffix) {
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
    const found = done(sweep)
      .filter((point) => known(point.values[state.x]) && known(point.values[state.y]))
      .map((point) => ({
        x: point.values[state.x],
        y: point.values[state.y],
        settings: point.settings,
      }));
    const worth = ['x', 'y'].map((axis) => (sweep.figures[state[axis]].better === 'more' ? -1 : 1));
    return markFront(found, worth);
  };
  const describe = (point) => sweep.keys.map((key, i) => [key, point.settings[i]]);

  const figure = new Figure(page, {
    id: `sweep-pareto${suffix}`,
    title: 'Pareto front',
    controls: [
      select('Across', figures, state.x, choose('x')),
      select('Up', figures, state.y, choose('y')),
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
        const figure = sweep.figures[i];
        return `${figure.title} (${better(figure) || 'less is better'})`;
      });
      return (
        `${x} against ${y}. The line joins the points that no other beats in both; ` +
        'the others are pale.'
      );
    },
    missing: () =>
      sweep.figures.length < 2
        ? 'A front needs two figures.'
        : points().length
          ? ''
          : 'No point of the sweep has both figures.',
    height: (size) => (size.narrow ? 340 : 420),
    option(look, size) {
      const drawn = points();
      const [x, y] = [sweep.figures[state.x], sweep.figures[state.y]];
      const across = scale(x.unit, largest([drawn.map((point) => point.x)]));
      const up = scale(y.unit, largest([drawn.map((point) => point.y)]));
      const groups = state.colour < 0 ? ['all'] : settings(sweep, state.colour);
      const names = [...groups, 'front'];
      const front = drawn.filter((point) => point.front).sort((a, b) => a.x - b.x || a.y - b.y);
      const { legend, grid } = legendAndGrid(look, size, names, {
        right: 26,
        legend: {
          itemWidth: 14,
          data: [...groups, { name: 'front', icon: 'path://M0 0H20V2H0Z' }],
        },
      });
      return {
        legend,
        grid,
        tooltip: itemTip(
          look,
          ({ data }) =>
            data?.point && [
              data.point.front ? 'On the front' : 'Beaten in both',
              [
                [x.title, quantity(data.point.x, x.unit)],
                [y.title, quantity(data.point.y, y.unit)],
                ...describe(data.point),
              ],
            ]
        ),
        xAxis: valueAxis(look, axisName(x.title, across.name), { scale: true }),
        yAxis: valueAxis(look, axisName(y.title, up.name), { nameGap: 48, scale: true }),
        series: [
          ...groups.map((group, i) => ({
            type: 'scatter',
            name: group,
            symbol: seriesSymbol(i),
            z: 3,
            itemStyle: { color: seriesColour(look, i) },
            data: drawn
              .filter((point) => state.colour < 0 || point.settings[state.colour] === group)
              .map((point) => ({
                value: [across.of(point.x), up.of(point.y)],
                point,
                symbolSize: point.front ? 13 : 9,
                itemStyle: point.front
                  ? { opacity: 1, borderColor: look.text, borderWidth: 1.2 }
                  : { opacity: 0.4 },
              })),
          })),
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
      points().map(({ x, y, front, settings: all }) => ({
        x,
        y,
        front,
        ...Object.fromEntries(sweep.keys.map((key, i) => [key, all[i]])),
      })),
    get columns() {
      const name = (figure) => [figure.title, { s: 's', bytes: 'B', J: 'J' }[figure.unit]];
      return {
        ...Object.fromEntries(sweep.keys.map((key) => [key, [key]])),
        x: name(sweep.figures[state.x]),
        y: name(sweep.figures[state.y]),
        front: ['on the front'],
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
