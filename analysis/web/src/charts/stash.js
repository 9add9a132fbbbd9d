// What is in the memory of each device over time, below the timeline and on its time axis: weights,
// and the stashes of the micro-batches in flight.
import { Figure } from '../chart.js';
import { fittedName } from '../dom.js';
import { bytes, count, moment, number, scale, seconds } from '../format.js';
import { nodeName } from '../nodes.js';
import { axisLook, itemTip, valueAxis } from '../options.js';
import { thingStyles } from '../theme.js';

const rowHeight = 44;
const most = 24; // devices

export const hasStashes = ({ runs }) => runs.some((run) => run.pipeline?.memory.node.length > 0);

// `timeline`: the figure above it, whose window and width of names it takes; `left(size)`.
export function stash(page, timeline, shared, left) {
  // [{node, times, values, peak}] by node; of many those with the highest peaks.
  let made = { memory: null, lines: [] };
  const lines = () => {
    const memory = page.run?.pipeline?.memory;
    if (!memory) return [];
    if (made.memory === memory) return made.lines;
    const found = new Map();
    memory.node.forEach((node, i) => {
      if (!found.has(node)) found.set(node, { node, times: [], values: [], peak: 0 });
      const line = found.get(node);
      line.times.push(memory.time_s[i]);
      line.values.push(memory.bytes[i]);
      line.peak = Math.max(line.peak, memory.bytes[i]);
    });
    const highest = [...found.values()].sort((a, b) => b.peak - a.peak).slice(0, most);
    made = { memory, lines: highest.sort((a, b) => a.node - b.node) };
    return made.lines;
  };
  const devices = () => new Set(page.run.pipeline.memory.node).size;

  const figure = new Figure(page, {
    id: 'stash',
    title: 'Memory of every device',
    note: () =>
      'What computes and artifacts take: weights, gradients, and the stashes of the micro-batches ' +
      'in flight. In the window of the timeline above; all with one scale.' +
      (devices() > most ? ` Of ${count(devices())} devices the ${most} with the highest peaks.` : '') +
      (page.run.pipeline.memory.greatest_of_s > 0
        ? ` Each value is the greatest of ${seconds(page.run.pipeline.memory.greatest_of_s)}.`
        : ''),
    missing: () => {
      if (lines().length) return '';
      return page.run?.pipeline
        ? 'The store of this run does not say what was in memory when.'
        : 'This run has no pipeline.';
    },
    height: () => lines().length * rowHeight + 54,
    option(look, size) {
      const drawn = lines();
      const [from, to] = timeline.window();
      const time = scale('s', timeline.end());
      const unit = scale('bytes', Math.max(...drawn.map((line) => line.peak)));
      const top = unit.of(Math.max(...drawn.map((line) => line.peak))) * 1.08 || 1;
      const edge = left(size);
      const capacity = new Map(page.run.nodes.id.map((id, i) => [id, page.run.nodes.memory_bytes[i]]));
      return {
        grid: drawn.map((_, i) => ({
          left: edge,
          right: timeline.right(size),
          top: 6 + i * rowHeight,
          height: rowHeight - 10,
          outerBoundsMode: 'none',
        })),
        tooltip: itemTip(look, ({ data }) => data?.point && tipOf(page.run, data.point, capacity)),
        xAxis: drawn.map((_, i) =>
          valueAxis(look, i === drawn.length - 1 ? `virtual time (${time.name})` : '', {
            gridIndex: i,
            min: time.of(from),
            max: time.of(to),
            axisLabel: {
              ...axisLook(look).axisLabel,
              show: i === drawn.length - 1,
              showMaxLabel: false,
              // The ends of a window are no round numbers.
              formatter: (value, k) => (k === 0 && value !== 0 ? '' : number(value, 9)),
            },
          })
        ),
        yAxis: drawn.map((line, i) =>
          valueAxis(look, nameOf(page.run, line, edge), {
            gridIndex: i,
            min: 0,
            max: top,
            splitNumber: 1,
            nameLocation: 'middle',
            nameRotate: 0,
            nameGap: 8,
            nameTextStyle: { color: look.text, fontSize: 11, lineHeight: 13, align: 'right' },
            axisLabel: { show: false },
          })
        ),
        series: drawn.flatMap((line, i) => area(look, line, i, time, unit, timeline.end())),
      };
    },
    values: () =>
      lines().flatMap(({ node, times, values }) =>
        times.map((time, i) => ({
          node,
          name: nodeName(page.run, node),
          time_s: time,
          bytes: values[i],
        }))
      ),
    columns: { name: ['device'], time_s: ['virtual time', 's'], bytes: ['memory', 'B'] },
  });
  shared.figures.push(figure);
  return figure;
}

const nameOf = (run, line, edge) =>
  `${fittedName(nodeName(run, line.node), edge - 16, 11)}\n${bytes(line.peak)}`;

const tipOf = (run, { line, i }, capacity) => [
  nodeName(run, line.node),
  [
    ['from', moment(line.times[i])],
    ['until', i + 1 < line.times.length ? moment(line.times[i + 1]) : 'the end'],
    ['takes', bytes(line.values[i])],
    ['its peak', bytes(line.peak)],
    capacity.get(line.node) > 0 ? ['it has', bytes(capacity.get(line.node))] : null,
  ],
];

// Filled steps, and marks for the tooltip.
function area(look, line, i, time, unit, end) {
  const { color } = thingStyles(look).peak_memory_bytes;
  const points = line.times.map((at, k) => [time.of(at), unit.of(line.values[k])]);
  const last = points[points.length - 1];
  const held = [...points, [Math.max(last[0], time.of(end)), last[1]]];
  const place = { xAxisIndex: i, yAxisIndex: i };
  return [
    {
      type: 'custom',
      name: 'memory',
      silent: true,
      clip: true,
      ...place,
      data: held,
      itemStyle: { color },
      renderItem(params, api) {
        if (params.dataIndexInside > 0) return undefined;
        const steps = held.flatMap((point) => api.coord(point));
        const [first] = api.coord([held[0][0], 0]);
        const [right, zero] = api.coord([held[held.length - 1][0], 0]);
        return {
          type: 'group',
          children: [
            {
              type: 'steps',
              shape: { points: [first, zero, ...steps, right, zero] },
              style: { fill: `${color}40`, stroke: 'none' },
            },
            {
              type: 'steps',
              shape: { points: steps },
              style: { fill: 'none', stroke: color, lineWidth: 1.4 },
            },
          ],
        };
      },
    },
    {
      type: 'scatter',
      name: 'memory',
      ...place,
      symbolSize: points.length > 300 ? 2 : 4,
      itemStyle: { color },
      data: points.map((value, k) => ({ value, point: { line, i: k } })),
    },
  ];
}
