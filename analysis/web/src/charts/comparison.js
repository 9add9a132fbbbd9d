// Groups of runs that differ in their seed alone, against one of them.
import { Figure } from '../chart.js';
import { el, more, select, wholeTable } from '../dom.js';
import {
  apart,
  axisName,
  count,
  known,
  largest,
  number,
  percent,
  quantities,
  quantity,
  scale,
} from '../format.js';
import { rowsHeight } from '../nodes.js';
import { seriesColour, seriesSymbol } from '../theme.js';
import { closeRange, itemTip, legendAndGrid, nameAxis, valueAxis } from '../options.js';

const fittingGroups = 6; // more are ranked by one metric

export function comparison(page) {
  const { groups, figures, notes } = page.data.comparison;
  let chosen = Math.max(
    0,
    figures.findIndex((each) => each.values.flat().some(known))
  );
  let ranks = null; // of many groups
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
    title: 'A metric of all runs',
    controls: [
      select(
        'Metric',
        figures.map((each, i) => [i, each.title]),
        chosen,
        (value) => {
          chosen = Number(value);
          figure.refresh();
          ranks?.fill();
        }
      ),
    ],
    note: () =>
      `${figures[chosen].title}: a mark for each run, a bar at the mean of the group.` +
      ({ less: ' Less is better.', more: ' More is better.' }[figures[chosen].better] ?? '') +
      (figures[chosen].note ? ` ${figures[chosen].note}.` : ''),
    missing: () => (points().length ? '' : 'No run has this metric.'),
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
        xAxis: valueAxis(look, axisName(title, units.name), closeRange(unit)),
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
              symbol: seriesSymbol(page.groupIndex(point.group)),
              symbolSize: 11,
              itemStyle: {
                color: seriesColour(look, page.groupIndex(point.group)),
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
        metric: figures[chosen].key,
        group,
        run,
        seed,
        value,
      })),
    columns: { group: ['group'], run: ['run'], seed: ['seed'], value: ['value'] },
  });
  const remarks = notes.map((note) => el('p', { class: 'remark' }, `${sentence(note)}.`));
  const whole = page.part(() => groupTable(page.data.comparison));
  if (groups.length <= fittingGroups) return [...remarks, whole, figure];
  ranks = page.part(() => ranking(page.data.comparison, figures[chosen]));
  return [...remarks, figure, ranks, more('All metrics of all groups', whole)];
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

// The share of a group's runs that have the metric: who reached an accuracy in one of three runs is
// not before those who always did.
const having = ({ values }, g) => values[g].filter(known).length / values[g].length;

// Groups in the order of a metric's mean, the best first.
function ranking({ groups, baseline }, metric) {
  const worth = metric.better === 'more' ? -1 : 1;
  const { mean } = metric;
  const order = groups
    .map((_, g) => g)
    .sort((a, b) => having(metric, b) - having(metric, a) || worth * (mean[a] - mean[b]));
  const cells = groupCells(metric, order, baseline);
  return el(
    'div',
    { id: 'ranking' },
    el('h3', {}, `Groups by ${metric.title}`),
    wholeTable(
      `Groups by ${metric.title}`,
      ['group', `${metric.title}: mean [lowest .. highest]`, 'against the baseline'],
      order.map((g, i) => [
        groupHead(groups[g], g === baseline),
        el('div', { class: 'lines' }, cells[i].values),
        el('div', { class: 'lines' }, cells[i].against),
      ])
    )
  );
}

const opened = {};

const isSeveral = (groups) => groups.some((group) => group.runs.length > 1);

function groupTable({ baseline, groups, figures, level, levels }) {
  const several = isSeveral(groups);
  const order = [baseline, ...groups.map((_, g) => g).filter((g) => g !== baseline)];
  const head = [
    several ? 'metric: mean [lowest .. highest]' : 'metric',
    ...order.map((g) => groupHead(groups[g], g === baseline)),
  ];
  const rows = (metrics) =>
    metrics.map((metric) => [
      el('span', {}, metric.title, wish(metric)),
      ...groupCells(metric, order, baseline).map(({ values, against }) =>
        el('div', { class: 'lines' }, values, against)
      ),
    ]);
  const usual = figures.filter((metric) => metric.usual !== false);
  const others = figures.filter((metric) => metric.usual === false);
  return el(
    'div',
    { id: 'compared-table' },
    el(
      'h3',
      {},
      several
        ? 'Means [lowest .. highest] of each group of runs'
        : 'Each run against the baseline'
    ),
    wholeTable('Groups against the baseline', head, rows(usual)),
    others.length
      ? more(
          'Further metrics',
          wholeTable('Further metrics of the groups', head, rows(others)),
          opened
        )
      : null,
    el(
      'p',
      { class: 'note' },
      (several ? 'Mean [lowest .. highest] over the runs of a group; then × the ' : '× is the ') +
        'ratio to the baseline, and the mean of the differences of runs with the same seed, ' +
        'with its 95 % interval, how that was found, and the number of pairs. ↓: less is better, ' +
        '↑: more is better.' +
        reached(levels ?? (level ? [level] : []), groups)
    )
  );
}

const groupHead = (group, isBaseline) =>
  [
    group.label,
    group.runs.length > 1 ? ` (${count(group.runs.length)} runs)` : '',
    isBaseline ? ' – baseline' : '',
  ].join('');

const wish = ({ better }) => ({ less: ' ↓', more: ' ↑' })[better] ?? '';

function reached(levels, groups) {
  const all = groups.reduce((sum, group) => sum + group.runs.length, 0);
  return levels
    .map(
      ({ accuracy, from, runs }) =>
        ` ${percent(accuracy)}: ${from}` +
        (known(runs) ? `; ${count(runs)} of ${count(all)} runs reach it.` : '.')
    )
    .join('');
}

// {values, against: the baseline} of each group. All means are written alike, so that different ones
// look different.
function groupCells(metric, order, baseline) {
  const text = apart([metric.mean, ...ends(metric)], metric.unit);
  return order.map((g) => {
    const values = metric.values[g].filter(known);
    const all = metric.values[g].length;
    const lines = [el('b', {}, text(metric.mean[g]))];
    if (values.length > 1)
      lines.push(
        el('span', {}, `[${text.plain(Math.min(...values))} .. ${text.plain(Math.max(...values))}]`)
      );
    if (all > 1 && values.length < all)
      lines.push(el('span', {}, `of ${count(values.length)} of ${count(all)} runs`));
    const against = [];
    if (g !== baseline && known(metric.ratio[g]))
      against.push(el('span', {}, `× ${number(metric.ratio[g], 3)}`));
    if (g !== baseline && metric.paired[g])
      against.push(el('span', {}, difference(metric.paired[g], metric.unit)));
    return { values: lines, against };
  });
}

const ends = ({ values }) =>
  values
    .map((list) => list.filter(known))
    .filter((list) => list.length)
    .map((list) => [Math.min(...list), Math.max(...list)]);

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
