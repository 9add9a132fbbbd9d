// Groups of runs that differ in their seed alone, against one of them.
import { Figure } from '../chart.js';
import { el, select, table } from '../dom.js';
import { axisName, known, largest, number, quantities, quantity, scale } from '../format.js';
import { rowsHeight } from '../nodes.js';
import { seriesColour, seriesSymbol } from '../theme.js';
import { itemTip, legendAndGrid, nameAxis, valueAxis } from '../options.js';

export function comparison(page) {
  const { groups, figures } = page.data.comparison;
  let chosen = Math.max(
    0,
    figures.findIndex((each) => each.values.flat().some(known))
  );
  const points = () =>
    groups
      .flatMap((group, g) =>
        group.runs.map((run, r) => ({
          group: group.label,
          index: g,
          run,
          seed: group.seeds[r],
          value: figures[chosen].values[g][r],
        }))
      )
      .filter((point) => known(point.value));
  const figure = new Figure(page, {
    id: 'comparison',
    title: 'All runs of a figure',
    controls: [
      select(
        'Figure',
        figures.map((each, i) => [i, each.title]),
        chosen,
        (value) => {
          chosen = Number(value);
          figure.refresh();
        }
      ),
    ],
    note: () =>
      `${figures[chosen].title}: a mark for each run, a bar at the mean of the group.` +
      ({ less: ' Less is better.', more: ' More is better.' }[figures[chosen].better] ?? '') +
      (figures[chosen].note ? ` ${figures[chosen].note}.` : ''),
    missing: () => (points().length ? '' : 'No run has this figure.'),
    height: (size) => rowsHeight(groups.length * 1.7, size, 90),
    option(look, size) {
      const { title, unit, mean } = figures[chosen];
      const drawn = points();
      const units = scale(unit, largest([drawn.map((point) => point.value)]));
      const { grid } = legendAndGrid(look, size, []);
      return {
        grid: { ...grid, top: 14 },
        tooltip: itemTip(look, ({ data }) =>
          data.point
            ? [
                data.point.group,
                [
                  ['run', data.point.run],
                  ['seed', String(data.point.seed)],
                  [title, quantity(data.point.value, unit)],
                ],
              ]
            : [groups[data.value[1]].label, [['mean', quantity(mean[data.value[1]], unit)]]]
        ),
        xAxis: valueAxis(look, axisName(title, units.name), { scale: unit !== 'share' }),
        yAxis: nameAxis(
          look,
          size,
          groups.map((group) => group.label),
          {
            splitLine: { show: true, lineStyle: { color: look.grid } },
          }
        ),
        series: [
          {
            type: 'scatter',
            symbol: 'rect',
            symbolSize: [3, 24],
            itemStyle: { color: look.text },
            z: 2,
            data: mean.map((value, g) => ({ value: [units.of(value), g] })),
          },
          {
            type: 'scatter',
            z: 3,
            data: drawn.map((point) => ({
              value: [units.of(point.value), point.index],
              point,
              symbol: seriesSymbol(point.index),
              symbolSize: 11,
              itemStyle: {
                color: seriesColour(look, point.index),
                opacity: 0.9,
                borderColor: look.paper,
                borderWidth: 1,
              },
            })),
          },
        ],
      };
    },
    values: () =>
      points().map(({ group, run, seed, value }) => ({
        figure: figures[chosen].key,
        group,
        run,
        seed,
        value,
      })),
    columns: { group: ['group'], run: ['run'], seed: ['seed'], value: ['value'] },
  });
  return [groupTable(page.data.comparison), figure];
}

function groupTable({ baseline, groups, figures, level }) {
  const cell = (figure, g) => {
    const lines = [el('b', {}, quantity(figure.mean[g], figure.unit))];
    if (g !== baseline) {
      if (known(figure.ratio[g])) lines.push(el('span', {}, `× ${number(figure.ratio[g], 3)}`));
      const pair = figure.paired[g];
      if (pair) lines.push(el('span', {}, difference(pair, figure.unit)));
    }
    return el('div', { class: 'lines' }, lines);
  };
  const order = [baseline, ...groups.map((_, g) => g).filter((g) => g !== baseline)];
  return el(
    'div',
    {},
    table(
      'Means of each group; ratio and paired difference to the baseline',
      ['figure', ...order.map((g) => `${groups[g].label}${g === baseline ? ' (baseline)' : ''}`)],
      figures.map((figure) => [figure.title, ...order.map((g) => cell(figure, g))])
    ),
    el(
      'p',
      { class: 'note' },
      'Means over the runs of a group; × the ratio to the baseline; then the mean of the ' +
        'differences of runs with the same seed, with its 95 % interval, how that was found, and ' +
        'the number of pairs.' +
        (level ? ` To ${quantity(level.accuracy, 'share')}: ${level.from}.` : '')
    )
  );
}

// "−12.3 [−14.1, −10.5] s, t, 5 seeds"
function difference(pair, unit) {
  const {
    texts: [mean, low, high],
    unit: name,
  } = quantities([pair.mean, pair.low, pair.high], unit);
  const points = name === '%' ? 'points' : name;
  const interval = known(pair.low) && known(pair.high) ? ` [${low}, ${high}]` : '';
  const seeds = `${pair.seeds.length} ${pair.seeds.length === 1 ? 'seed' : 'seeds'}`;
  return [
    `${pair.mean > 0 ? '+' : ''}${mean}${interval}${points ? ` ${points}` : ''}`,
    pair.method,
    seeds,
  ]
    .filter(Boolean)
    .join(', ');
}
