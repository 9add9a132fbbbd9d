// How far a simulation was off: simulated against measured means, by node and label.
import { Figure } from '../chart.js';
import { el, select, table } from '../dom.js';
import { count, percent, scale, seconds } from '../format.js';
import { activityStyle, seriesSymbol } from '../theme.js';
import { itemTip, legendAndGrid, valueAxis } from '../options.js';

const title = (pair) => `${pair.simulated ?? 'own predictions'} against ${pair.measured}`;

export function fidelity(page) {
  const kinds = new Map(
    page.runs.flatMap(({ timeline: { labels, kinds: all } }) =>
      labels.map((label, i) => [label, all[i]])
    )
  );
  const kindOf = (label) =>
    kinds.get(label) ?? (['download', 'upload'].includes(label) ? 'transfer' : 'compute');
  const colourOf = (look, label) => activityStyle(look, label, kindOf(label)).color;
  let chosen = 0;
  const tables = el('div');
  const pair = () => page.data.fidelity[chosen];
  // The axes are logarithmic.
  const rows = () => pair().nodes.filter((row) => row.simulated_s > 0 && row.measured_s > 0);
  const labels = () => [...new Set(rows().map((row) => row.label))];
  const fill = () => tables.replaceChildren(...errors(pair()));
  const figure = new Figure(page, {
    id: 'fidelity',
    title: 'Mean durations of every node and label',
    controls:
      page.data.fidelity.length > 1
        ? [
            select(
              'Runs',
              page.data.fidelity.map((each, i) => [i, title(each)]),
              chosen,
              (value) => {
                chosen = Number(value);
                fill();
                figure.refresh();
              }
            ),
          ]
        : [],
    note: () =>
      `${title(pair())}: mean duration of each node and label. ` +
      'On the diagonal the simulation was right; ' +
      'the dotted lines are 10 % off. Bias: (simulated − measured) / measured, of the means; above ' +
      '0, and above the diagonal, the simulation is slower.',
    missing: () => (rows().length ? '' : 'Nothing can be compared activity by activity.'),
    height: (size) => (size.narrow ? 340 : 440),
    option(look, size) {
      const drawn = rows();
      const values = drawn
        .flatMap((row) => [row.simulated_s, row.measured_s])
        .filter((value) => value > 0);
      const unit = scale('s', Math.max(...values));
      const [least, most] = [
        outwards(unit.of(Math.min(...values)), -1),
        outwards(unit.of(Math.max(...values)), 1),
      ];
      const { legend, grid } = legendAndGrid(look, size, labels(), { legend: { itemWidth: 12 } });
      const axis = (name) =>
        valueAxis(look, `${name} (${unit.name})`, { type: 'log', min: least, max: most });
      const line = (factor, type, width) => ({
        type: 'line',
        silent: true,
        symbol: 'none',
        z: 1,
        tooltip: { show: false },
        lineStyle: { color: look.soft, type, width },
        data: [
          [least, least * factor],
          [most, most * factor],
        ],
        clip: true,
      });
      return {
        legend,
        grid,
        tooltip: itemTip(
          look,
          ({ data }) =>
            data?.row && [
              `${data.row.node}: ${data.row.label}`,
              [
                ['measured', seconds(data.row.measured_s)],
                ['simulated', seconds(data.row.simulated_s)],
                ['mean error', percent(data.row.error)],
                ['bias', percent(data.row.bias)],
                ['compared', count(data.row.compared)],
              ],
            ]
        ),
        xAxis: axis('measured'),
        yAxis: { ...axis('simulated'), nameGap: 48 },
        series: [
          ...labels().map((label, i) => ({
            type: 'scatter',
            name: label,
            symbol: seriesSymbol(i),
            symbolSize: 11,
            z: 3,
            itemStyle: {
              color: colourOf(look, label),
              opacity: 0.85,
              borderColor: look.paper,
              borderWidth: 1,
            },
            data: drawn
              .filter((row) => row.label === label)
              .map((row) => ({ value: [unit.of(row.measured_s), unit.of(row.simulated_s)], row })),
          })),
          line(1, 'solid', 1.2),
          line(1.1, [2, 3], 1),
          line(1 / 1.1, [2, 3], 1),
        ],
      };
    },
    values: () =>
      rows().map(({ node, label, compared, simulated_s, measured_s, error, bias }) => ({
        node,
        label,
        compared,
        simulated_s,
        measured_s,
        error,
        bias,
      })),
    columns: {
      node: ['node'],
      label: ['label'],
      compared: ['compared'],
      simulated_s: ['simulated', 's'],
      measured_s: ['measured', 's'],
      error: ['error'],
      bias: ['bias'],
    },
  });
  fill();
  return [figure, tables];
}

// To the next 1, 2 or 5 times a power of ten, a tenth away at least.
function outwards(value, direction) {
  const wanted = value * 1.1 ** direction;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  return direction < 0
    ? steps.filter((step) => step <= wanted).pop()
    : steps.find((step) => step >= wanted);
}

function errors(pair) {
  const line = (row) => [
    row.node ?? 'all nodes',
    row.label,
    count(row.compared),
    seconds(row.measured_s),
    seconds(row.simulated_s),
    percent(row.error),
    percent(row.bias),
  ];
  const ends = [
    pair.makespan ? ['the end of the run', pair.makespan] : null,
    pair.to_version ? [`version ${pair.version}`, pair.to_version] : null,
  ].filter(Boolean);
  return [
    ends.length
      ? table(
          'Errors of the whole run',
          ['until', 'measured', 'simulated', 'error'],
          ends.map(([name, end]) => [
            name,
            seconds(end.measured_s),
            seconds(end.simulated_s),
            percent(end.error),
          ])
        )
      : null,
    table(
      'Errors by node and label',
      ['node', 'label', 'compared', 'measured', 'simulated', 'mean error', 'bias'],
      [...pair.totals.map(line), ...pair.nodes.map(line)],
      { texts: 2 }
    ),
    ...pair.remarks.map((remark) => el('p', { class: 'remark' }, remark)),
  ].filter(Boolean);
}
