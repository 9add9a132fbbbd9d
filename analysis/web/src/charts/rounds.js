// The critical path of each round: why it did not end sooner.
import { Figure } from '../chart.js';
import { table } from '../dom.js';
import { axisName, closedBy, count, known, largest, scale, seconds } from '../format.js';
import { nodeName } from '../nodes.js';
import { thingStyles } from '../theme.js';
import { categoryAxis, columnScroll, itemTip, legendAndGrid, valueAxis } from '../options.js';

export const pathParts = ['queue', 'link', 'compute', 'outage', 'aggregation', 'other'];
const many = 60;
const shown = 300; // at once

export function rounds(page) {
  return new Figure(page, {
    id: 'rounds',
    title: 'Critical path of each round',
    note: () =>
      'The chain of activities that ended with the start of the aggregation, and the ' +
      'aggregation itself.',
    missing: () =>
      page.run?.rounds.version.length
        ? ''
        : 'The critical paths are not known: they need a finished round and its activities.',
    option(look, size) {
      const { rounds } = page.run;
      const unit = scale('s', largest([rounds.end_s.map((end, i) => end - rounds.begin_s[i])]));
      const styles = thingStyles(look);
      const scrolls = rounds.version.length > many;
      const { legend, grid } = legendAndGrid(look, size, pathParts, {
        bottom: scrolls && !size.saved ? 40 : 6,
      });
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ dataIndex: i }) => [
          `round to version ${rounds.version[i]}`,
          [
            ['lasted', seconds(rounds.end_s[i] - rounds.begin_s[i])],
            known(rounds.node[i]) ? ['waited for', nodeName(page.run, rounds.node[i])] : null,
            rounds.label[i] ? [`longest: ${rounds.label[i]}`, seconds(rounds.label_s[i])] : null,
            ['closed because', closedBy(rounds.closed_by[i])],
            ...pathParts.map((part) =>
              rounds[`${part}_s`][i] > 0
                ? [part, seconds(rounds[`${part}_s`][i]), styles[part].color]
                : null
            ),
          ],
        ]),
        xAxis: categoryAxis(look, 'version made by the round', rounds.version),
        yAxis: valueAxis(look, axisName('virtual time', unit.name), { nameGap: 42 }),
        dataZoom: scrolls ? columnScroll(look, size, rounds.version.length, shown) : [],
        series: pathParts.map((part) => ({
          type: 'bar',
          stack: 'all',
          name: part,
          barMaxWidth: 34,
          barCategoryGap: '18%',
          itemStyle: styles[part],
          data: rounds[`${part}_s`].map(unit.of),
        })),
      };
    },
    values() {
      const { rounds } = page.run;
      return rounds.version.map((version, i) =>
        Object.fromEntries([
          ['version', version],
          ...Object.keys(rounds)
            .filter((key) => key !== 'version')
            .map((key) => [key, rounds[key][i]]),
          ['name', known(rounds.node[i]) ? nodeName(page.run, rounds.node[i]) : null],
        ])
      );
    },
    columns: {
      version: ['version'],
      begin_s: ['begin', 's'],
      end_s: ['end', 's'],
      closed_by: ['closed by'],
      name: ['waited for'],
      label: ['longest activity'],
      label_s: ['its length', 's'],
      ...Object.fromEntries(pathParts.map((part) => [`${part}_s`, [part, 's']])),
    },
  });
}

// Whom the rounds waited for: node, rounds, seconds.
export function waitedFor(run) {
  const sums = new Map();
  run.rounds.node.forEach((node, i) => {
    if (!known(node)) return;
    const sum = sums.get(node) ?? { rounds: 0, s: 0 };
    sum.rounds += 1;
    sum.s += run.rounds.end_s[i] - run.rounds.begin_s[i];
    sums.set(node, sum);
  });
  const rows = [...sums].sort(([, a], [, b]) => b.s - a.s);
  return table(
    'Whom the rounds waited for',
    ['node', 'rounds', 'their length together'],
    rows.map(([node, sum]) => [nodeName(run, node), count(sum.rounds), seconds(sum.s)])
  );
}
