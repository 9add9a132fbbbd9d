// The plans of a split schedule over time: where each device's model was cut, and what was predicted.
import { Figure } from '../chart.js';
import { el, more, table, wholeTable } from '../dom.js';
import { cause, count, known, moment, number, percent, quantity, scale, seconds } from '../format.js';
import { nodeName } from '../nodes.js';
import { itemTip, legendAndGrid, valueAxis } from '../options.js';
import { seriesColour, seriesDash, seriesSymbol } from '../theme.js';

export const hasPlans = ({ data, runs }) =>
  runs.some((run) => run.plans?.time_s.length > 0) ||
  (data.live === 'run' && runs.some((run) => run.schedule === 'edgesplit'));

const reasons = {
  first: 'the first plan',
  devices: 'other devices than before',
  change: 'a speed or a link has changed',
  period: 'the plan was old',
};

// The nodes of all plans as rows, with the time of their plan.
function rowsOf({ plans: { time_s: times, nodes } }) {
  return nodes.plan.map((plan, i) => ({
    ...Object.fromEntries(Object.keys(nodes).map((key) => [key, nodes[key][i]])),
    time_s: times[plan],
  }));
}

// Devices that always had the same cuts are one line: [{name, points: [{time, cut, cut_name}]}], where
// a device that is in no plan from then on has the cut null.
function linesOf(run) {
  const plans = run.plans.time_s.length;
  const byNode = new Map();
  for (const row of rowsOf(run)) {
    if (!byNode.has(row.node)) byNode.set(row.node, new Array(plans).fill(null));
    byNode.get(row.node)[row.plan] = row;
  }
  const lines = new Map();
  for (const [node, rows] of byNode) {
    const key = rows.map((row) => row?.cut ?? '').join();
    if (!lines.has(key)) lines.set(key, { nodes: [], rows });
    lines.get(key).nodes.push(nodeName(run, node));
  }
  return [...lines.values()].map(({ nodes, rows }) => ({
    name: nodes.length > 3 ? `${nodes[0]} and ${count(nodes.length - 1)} more` : nodes.join(', '),
    points: rows.map((row, plan) => ({
      time: run.plans.time_s[plan],
      cut: row?.cut ?? null,
      cut_name: row?.cut_name ?? '',
    })),
  }));
}

// Stretches of a line without gaps, the last up to the run's end.
function stretches({ points }, end) {
  const all = [];
  points.forEach(({ time, cut }, i) => {
    if (cut === null) return;
    if (i === 0 || points[i - 1].cut === null) all.push([]);
    const until = i + 1 < points.length ? points[i + 1].time : Math.max(time, end);
    all[all.length - 1].push([time, cut], [until, cut]);
  });
  return all;
}

export function plans(page) {
  const drawn = () => linesOf(page.run);
  return new Figure(page, {
    id: 'plans',
    title: 'Where the model was cut',
    height: (size) => (size.narrow ? 260 : 280),
    note: () =>
      'The number of layers on each device, from plan to plan. Devices that always had the same are ' +
      'one line.',
    missing: () =>
      page.run?.plans?.nodes.node.length
        ? ''
        : 'No plan of this run is known in its parts: its schedule makes none, none was made yet, or ' +
          'the store is of before plans were recorded so.',
    option(look, size) {
      const lines = drawn();
      const end = page.run.virtual_time_s;
      const unit = scale('s', end);
      const stroke = (i) => ({ color: seriesColour(look, i), width: 2, type: seriesDash(i) });
      const { legend, grid } = legendAndGrid(
        look,
        size,
        lines.map(({ name }) => name),
        { legend: { data: lines.map(({ name }, i) => ({ name, lineStyle: stroke(i) })) } }
      );
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ seriesName, data }) =>
          data?.point
            ? [
                seriesName,
                [
                  ['from', moment(data.point.time)],
                  ['layers on the device', count(data.point.cut)],
                  ['the last', data.point.cut_name],
                ],
              ]
            : null
        ),
        xAxis: valueAxis(look, `virtual time (${unit.name})`, {
          min: 0,
          max: unit.of(Math.max(end, ...page.run.plans.time_s)) || 1,
          axisLabel: {
            color: look.soft,
            fontSize: 11,
            hideOverlap: true,
            showMaxLabel: false,
            formatter: (value) => number(value, 5),
          },
        }),
        yAxis: valueAxis(look, 'layers', { nameGap: 36, min: 0, minInterval: 1 }),
        series: lines.flatMap((line, i) => [
          {
            type: 'line',
            name: line.name,
            symbol: seriesSymbol(i),
            showAllSymbol: true,
            symbolSize: 7,
            z: 3,
            lineStyle: { width: 0 },
            itemStyle: { color: seriesColour(look, i) },
            data: line.points
              .filter(({ cut }) => cut !== null)
              .map((point) => ({ value: [unit.of(point.time), point.cut], point })),
          },
          {
            type: 'custom',
            name: line.name,
            silent: true,
            clip: true,
            data: [[0, 0]],
            itemStyle: { color: seriesColour(look, i) },
            renderItem: (_, api) => ({
              type: 'group',
              children: stretches(line, end).map((points) => ({
                type: 'steps',
                shape: { points: points.flatMap(([at, cut]) => api.coord([unit.of(at), cut])) },
                style: {
                  fill: 'none',
                  stroke: seriesColour(look, i),
                  lineWidth: 2,
                  lineDash: seriesDash(i) === 'solid' ? undefined : seriesDash(i),
                },
              })),
            }),
          },
        ]),
      };
    },
    values: () => rowsOf(page.run).map((row) => ({ ...row, name: nodeName(page.run, row.node) })),
    columns: {
      time_s: ['virtual time', 's'],
      name: ['node'],
      cut: ['layers on it'],
      cut_name: ['the last'],
      up_bytes_per_s: ['up', 'B/s'],
      down_bytes_per_s: ['down', 'B/s'],
      server_share: ['of the server'],
      predicted_s: ['predicted', 's'],
    },
  });
}

const opened = {};

// Each plan in a row; then, behind a summary, each device's part of each plan.
export function planTables(run) {
  const { plans } = run;
  if (!plans?.time_s.length) return [];
  const parts = rowsOf(run);
  return [
    el('h3', {}, 'When it was planned, and why'),
    wholeTable(
      'Plans',
      ['time', 'why', 'result', 'round, predicted', 'by the plan before', 'of the best found'],
      plans.time_s.map((at, i) => [
        moment(at),
        plans.text[i] ? plans.text[i] : (reasons[plans.cause[i]] ?? cause(plans.cause[i])),
        result(plans, i),
        seconds(plans.round_s[i]),
        seconds(plans.old_round_s[i]),
        seconds(plans.best_round_s[i]),
      ])
    ),
    parts.length
      ? more(
          'Cuts and shares of each device',
          table(
            'Cuts and shares of each device',
            ['time', 'node', 'last layer on it', 'layers', 'up', 'down', 'of the server', 'predicted'],
            parts
              .slice(0, 500)
              .map((row) => [
                moment(row.time_s),
                nodeName(run, row.node),
                row.cut_name,
                count(row.cut),
                rate(row.up_bytes_per_s),
                rate(row.down_bytes_per_s),
                row.server_share > 0 ? percent(row.server_share) : 'not shared',
                seconds(row.predicted_s),
              ]),
            { texts: 3 }
          ),
          opened
        )
      : null,
    parts.length > 500
      ? el('p', { class: 'note' }, `The first 500 of ${count(parts.length)} rows.`)
      : null,
  ].filter(known);
}

const rate = (bytes) => (bytes > 0 ? `${quantity(8 * bytes, 'bit/s')}` : 'no limit');

function result(plans, i) {
  if (plans.text[i]) return 'not recorded';
  if (!plans.adopted[i]) return `kept: a move costs ${seconds(plans.cost_s[i])}`;
  return 'adopted';
}
