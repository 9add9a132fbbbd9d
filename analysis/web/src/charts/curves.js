// Accuracy and loss over virtual time, bytes, energy or versions: all runs together.
import { Figure } from '../chart.js';
import { checkbox, select } from '../dom.js';
import { axisName, known, largest, number, quantity, scale, storeUnit } from '../format.js';
import { seriesColour, seriesDash, seriesSymbol } from '../theme.js';
import { itemTip, legendAndGrid, shareRange, valueAxis } from '../options.js';
import { targetsOf } from '../summary.js';

export const axes = {
  time_s: ['virtual time', 's'],
  updates: ['node updates', 'count'],
  bytes: ['bytes sent', 'bytes'],
  energy_j: ['energy (workers)', 'J'],
  version: ['version', 'count'],
  samples: ['samples trained', 'count'],
};

export function curves(page, many = false) {
  const state = { x: 'time_s', exits: false };
  const figures = [];
  const changed = () => figures.forEach((figure) => figure.refresh());
  const choose = (key) => (value) => {
    state[key] = value;
    changed();
  };
  const controls = [
    select(
      'Over',
      Object.entries(axes).map(([key, [name]]) => [key, name]),
      state.x,
      choose('x')
    ),
    page.data.live ||
    page.data.runs.some((run) => run.exits.time_s.length > run.curve.time_s.length)
      ? checkbox('every exit of one run', false, choose('exits'))
      : null,
  ];
  figures.push(
    curve(page, state, {
      id: 'accuracy',
      title: many ? 'Accuracy of each run' : 'Accuracy',
      key: 'accuracy',
      exit: 'top1',
      unit: 'share',
      controls,
    }),
    curve(page, state, {
      id: 'loss',
      title: many ? 'Loss of each run' : 'Loss',
      key: 'loss',
      exit: 'loss',
      unit: 'count',
    })
  );
  return figures;
}

// Lines at accuracies to be reached.
export function targetLine(look, up, targets) {
  if (!targets.length) return undefined;
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { color: look.soft, type: [3, 3], width: 1 },
    label: {
      position: 'insideStartTop',
      color: look.soft,
      formatter: ({ value }) => `target ${number(value, 3)} %`,
    },
    data: targets.map((target) => ({ yAxis: up.of(target) })),
  };
}

function curve(page, state, { id, title, key, exit, unit, controls }) {
  // Exits are known by time and version alone.
  const x = () => (state.exits && !['time_s', 'version'].includes(state.x) ? 'time_s' : state.x);

  const lines = () => {
    if (!state.exits) {
      return page.runs.map((run, index) => ({
        name: run.label,
        index,
        colour: page.runIndex(run),
        end: run.virtual_time_s,
        points: run.curve.time_s.map((_, i) => [run.curve[x()]?.[i], run.curve[key][i]]),
      }));
    }
    const { exits } = page.run;
    const numbers = [...new Set(exits.exit)].sort((a, b) => a - b);
    return numbers.map((number, index) => {
      const of = exits.exit.flatMap((value, i) => (value === number ? [i] : []));
      const blocks = exits.blocks[of[0]];
      return {
        name:
          number < 0
            ? 'all exits together'
            : `exit ${number} (after ${blocks} ${blocks === 1 ? 'block' : 'blocks'})`,
        index,
        colour: index,
        end: page.run.virtual_time_s,
        points: of.map((i) => [exits[x()][i], exits[exit][i]]),
      };
    });
  };
  const drawn = () =>
    lines()
      .map((line) => ({
        ...line,
        points: line.points.filter(([across, up]) => known(across) && known(up)),
      }))
      .filter((line) => line.points.length);

  return new Figure(page, {
    id,
    title,
    controls,
    note: () =>
      `${state.exits ? `Every exit of ${page.run.label}` : 'The global model'}, over ` +
      `${axes[x()][0]}; a step holds until the next evaluation.`,
    missing: () =>
      page.runs.length === 0
        ? 'No run yet.'
        : drawn().length
          ? ''
          : `No ${id} was evaluated: these runs only measure time (training.learn = false), or none ` +
            'has come yet.',
    option(look, size) {
      const shown = drawn();
      const [name, xUnit] = axes[x()];
      const across = scale(
        xUnit,
        largest(shown.map((line) => line.points.map(([value]) => value)))
      );
      const up = unit === 'share' ? scale('share', 1) : scale('count', 1);
      const targets = unit === 'share' ? targetsOf(page.runs) : [];
      const stroke = (line) => ({
        color: seriesColour(look, line.colour),
        width: 2,
        type: seriesDash(line.index),
      });
      const { legend, grid } = legendAndGrid(
        look,
        size,
        shown.map((line) => line.name),
        {
          legend: { data: shown.map((line) => ({ name: line.name, lineStyle: stroke(line) })) },
        }
      );
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ seriesName, data: { point } }) => {
          return (
            point && [
              seriesName,
              [
                [name, quantity(point[0], xUnit)],
                [
                  key,
                  unit === 'share' ? quantity(point[1], unit) : number(point[1]),
                ],
              ],
            ]
          );
        }),
        xAxis: valueAxis(look, axisName(name, across.name), { min: 0 }),
        yAxis: valueAxis(look, axisName(key, up.name), {
          nameGap: 40,
          ...shareRange(unit),
        }),
        series: [
          ...shown.map((line, i) => {
            // Marks for the eye and the tooltip; the steps below draw every point.
            const stride = Math.ceil(line.points.length / 200);
            const marked = line.points.filter(
              (_, k) => k % stride === 0 || k === line.points.length - 1
            );
            const every = Math.max(1, Math.ceil(marked.length / 24));
            const color = seriesColour(look, line.colour);
            return {
              type: 'line',
              name: line.name,
              symbol: seriesSymbol(line.colour),
              showAllSymbol: true,
              z: 3,
              symbolSize: (_, { dataIndex }) =>
                (dataIndex + line.index * 3) % every === 0 ? 7 : 3,
              lineStyle: { width: 0 },
              itemStyle: { color },
              data: marked.map((point) => ({
                value: [across.of(point[0]), up.of(point[1])],
                point,
              })),
              markLine: i === 0 ? targetLine(look, up, targets) : undefined,
            };
          }),
          ...shown.map((line) => {
            const last = line.points[line.points.length - 1];
            const held = x() === 'time_s' && line.end > last[0] ? [[line.end, last[1]]] : [];
            const steps = [...line.points, ...held].map(([a, b]) => [across.of(a), up.of(b)]);
            const { color, width, type } = stroke(line);
            return {
              type: 'custom',
              name: line.name,
              silent: true,
              clip: true,
              data: [steps[0]],
              itemStyle: { color },
              renderItem: (_, api) => ({
                type: 'steps',
                shape: { points: steps.flatMap((point) => api.coord(point)) },
                style: {
                  fill: 'none',
                  stroke: color,
                  lineWidth: width,
                  lineDash: type === 'solid' ? undefined : type,
                },
              }),
            };
          }),
        ],
      };
    },
    values: () =>
      drawn().flatMap((line) =>
        line.points.map(([across, up]) => ({
          [state.exits ? 'exit' : 'run']: line.name,
          [x()]: across,
          [key]: up,
        }))
      ),
    get columns() {
      const [name, xUnit] = axes[x()];
      return {
        [state.exits ? 'exit' : 'run']: [state.exits ? 'exit' : 'run'],
        [x()]: [name, storeUnit(xUnit)],
        [key]: [key],
      };
    },
  });
}
