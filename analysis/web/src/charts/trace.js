// The recorded time series that drove a node, below the timeline and on its time axis.
import { Figure } from '../chart.js';
import { fillSelect, select } from '../dom.js';
import { number, quantity, scale } from '../format.js';
import { nodeName } from '../nodes.js';
import { axisLook, itemTip, valueAxis } from '../options.js';
import { seriesColour } from '../theme.js';

// Column of the trace -> [what, unit].
const series = {
  speed: ['speed', '×'],
  available: ['available', ''],
  up_bps: ['up', 'bit/s'],
  down_bps: ['down', 'bit/s'],
  latency_s: ['latency', 's'],
  power_w: ['power', 'W'],
  memory_free_bytes: ['free memory', 'bytes'],
};
const rowHeight = 62;

export const hasTraces = ({ runs }) => runs.some((run) => run.traces?.node.length > 0);

// `timeline`: the figure above it, whose window and width of names it takes; `left(size)`.
export function trace(page, timeline, shared, left) {
  let node = null;
  const nodes = () => [...new Set(page.run?.traces?.node ?? [])];
  const chosen = () => (nodes().includes(node) ? node : nodes()[0]);
  const box = select('Node', [], null, (value) => {
    node = Number(value);
    figure.refresh();
  });
  const choices = box.querySelector('select');

  // [{column, times, values}] of the chosen node.
  const lines = () => {
    const { traces } = page.run;
    const found = new Map();
    traces.node.forEach((each, i) => {
      if (each !== chosen()) return;
      const column = traces.column[i];
      if (!found.has(column)) found.set(column, { column, times: [], values: [] });
      found.get(column).times.push(traces.time_s[i]);
      found.get(column).values.push(traces.value[i]);
    });
    return [...found.values()];
  };

  const figure = new Figure(page, {
    id: 'trace',
    title: 'What drove the node',
    controls: [box],
    note: () =>
      `The recorded time series of ${nodeName(page.run, chosen())}, in the window of the ` +
      'timeline above; each value holds until the next.',
    missing: () => (nodes().length ? '' : 'No recorded time series drove a node of this run.'),
    height: () => (nodes().length ? lines().length * rowHeight : 0) + 50,
    option(look, size) {
      const drawn = lines();
      const [from, to] = timeline.window();
      const unit = scale('s', timeline.end());
      const edge = left(size);
      return {
        grid: drawn.map((_, i) => ({
          left: edge,
          right: timeline.right(size),
          top: 8 + i * rowHeight,
          height: rowHeight - 16,
          outerBoundsMode: 'none',
        })),
        tooltip: itemTip(look, ({ data }) => data?.point && tipOf(data.point)),
        xAxis: drawn.map((_, i) =>
          valueAxis(look, i === drawn.length - 1 ? `virtual time (${unit.name})` : '', {
            gridIndex: i,
            min: unit.of(from),
            max: unit.of(to),
            axisLabel: {
              ...axisLook(look).axisLabel,
              show: i === drawn.length - 1,
              showMaxLabel: false,
              // The ends of a window are no round numbers.
              formatter: (value, k) => (k === 0 && value !== 0 ? '' : number(value, 9)),
            },
          })
        ),
        yAxis: drawn.map((line, i) => valueScale(look, size, line, i, edge)),
        series: drawn.flatMap((line, i) => steps(look, line, i, unit, timeline.end())),
      };
    },
    values: () =>
      lines().flatMap(({ column, times, values }) =>
        times.map((time, i) => ({
          node: chosen(),
          name: nodeName(page.run, chosen()),
          column,
          time_s: time,
          value: values[i],
        }))
      ),
    columns: {
      name: ['node'],
      column: ['time series'],
      time_s: ['virtual time', 's'],
      value: ['value'],
    },
    drawn: () => fillSelect(choices, nodes().map((id) => [id, nodeName(page.run, id)]), chosen()),
  });
  shared.figures.push(figure);
  return figure;
}

const described = (column) => (Object.hasOwn(series, column) ? series[column] : [column, '']);

// Rates are counted in thousands.
function rate(most) {
  const [divisor, name] = [
    [1e9, 'Gbit/s'],
    [1e6, 'Mbit/s'],
    [1e3, 'kbit/s'],
  ].find(([from]) => most >= from) ?? [1, 'bit/s'];
  return { name, of: (value) => value / divisor };
}

function unitOf(line) {
  const most = line.values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const [, unit] = described(line.column);
  return unit === 'bit/s' ? rate(most) : scale(unit, most);
}

function valueScale(look, size, line, i, edge) {
  const [what] = described(line.column);
  const { name } = unitOf(line);
  return valueAxis(look, name ? `${what}\n(${name})` : what, {
    gridIndex: i,
    min: 0,
    splitNumber: 2,
    nameLocation: 'middle',
    nameRotate: 0,
    nameGap: 40,
    nameTextStyle: {
      color: look.text,
      fontSize: 11,
      lineHeight: 13,
      align: 'right',
      width: Math.max(40, edge - 46),
      overflow: 'break',
    },
    axisLabel: { ...axisLook(look).axisLabel, fontSize: size.narrow ? 10 : 11 },
  });
}

const tipOf = ({ line, i }) => {
  const [what] = described(line.column);
  const { of, name } = unitOf(line);
  return [
    what,
    [
      ['from', quantity(line.times[i], 's')],
      ['until', i + 1 < line.times.length ? quantity(line.times[i + 1], 's') : 'the end'],
      ['value', `${number(of(line.values[i]))} ${name}`.trim()],
    ],
  ];
};

// The steps as one line, and marks for the tooltip where they are few enough to be told apart.
function steps(look, line, i, time, end) {
  const { of } = unitOf(line);
  const color = seriesColour(look, 6);
  const points = line.times.map((at, k) => [time.of(at), of(line.values[k])]);
  const last = points[points.length - 1];
  const held = [...points, [Math.max(last[0], time.of(end)), last[1]]];
  const place = { xAxisIndex: i, yAxisIndex: i };
  return [
    {
      type: 'custom',
      name: line.column,
      silent: true,
      clip: true,
      ...place,
      data: held,
      itemStyle: { color },
      renderItem: (params, api) =>
        params.dataIndexInside > 0
          ? undefined
          : {
              type: 'steps',
              shape: { points: held.flatMap((point) => api.coord(point)) },
              style: { fill: 'none', stroke: color, lineWidth: 1.6 },
            },
    },
    {
      type: 'scatter',
      name: line.column,
      ...place,
      symbolSize: points.length > 300 ? 2 : 5,
      itemStyle: { color },
      data: points.map((value, k) => ({ value, point: { line, i: k } })),
    },
  ];
}
