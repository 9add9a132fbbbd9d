// How old updates were when they were aggregated, and whose were in which version.
import { Figure } from '../chart.js';
import { count, number } from '../format.js';
import { nodeNames, rowsHeight } from '../nodes.js';
import { heat, thingStyles } from '../theme.js';
import {
  categoryAxis,
  columnScroll,
  itemTip,
  legendAndGrid,
  nameAxis,
  rowScroll,
  valueAxis,
  visibleRows,
} from '../options.js';

const shownVersions = 300; // at once

export function staleness(page) {
  return new Figure(page, {
    id: 'staleness',
    title: 'Staleness of the updates',
    note: () =>
      'Versions made since the base of an update was downloaded, over all aggregated updates.',
    missing: () =>
      page.run?.staleness.versions.length ? '' : 'Nothing was aggregated, or the run is not over.',
    option(look, size) {
      const { versions, updates } = page.run.staleness;
      const all = updates.reduce((sum, value) => sum + value, 0);
      const { grid } = legendAndGrid(look, size, []);
      return {
        grid: { ...grid, top: 24 },
        tooltip: itemTip(look, ({ dataIndex: i }) => [
          `staleness ${versions[i]}`,
          [
            ['updates', count(updates[i])],
            ['share', `${number((updates[i] / all) * 100, 3)} %`],
          ],
        ]),
        xAxis: categoryAxis(look, 'staleness (versions)', versions),
        yAxis: valueAxis(look, 'updates', { nameGap: 42, minInterval: 1 }),
        series: [
          {
            type: 'bar',
            barMaxWidth: 48,
            data: updates,
            itemStyle: thingStyles(look).updates,
            label: {
              show: versions.length <= 16,
              position: 'top',
              color: look.soft,
              fontSize: 11,
              formatter: ({ value }) => count(value),
            },
          },
        ],
      };
    },
    values: () =>
      page.run.staleness.versions.map((value, i) => ({
        staleness: value,
        updates: page.run.staleness.updates[i],
      })),
    columns: { staleness: ['staleness', 'versions'], updates: ['updates'] },
  });
}

export function participation(page) {
  // Node and version -> the stalest of its updates there; a node can give several.
  const cells = () => {
    const { updates } = page.run;
    const found = new Map();
    updates.node.forEach((node, i) => {
      const version = updates.version[i];
      const key = `${node} ${version}`;
      const cell = found.get(key) ?? { node, version, staleness: 0, updates: 0 };
      cell.staleness = Math.max(cell.staleness, updates.staleness[i]);
      cell.updates += 1;
      found.set(key, cell);
    });
    return [...found.values()];
  };
  return new Figure(page, {
    id: 'participation',
    title: 'Participation of every node',
    note: () =>
      'Whose updates are in which version; the colour is their staleness, blank: none.' +
      ((page.run.aggregations.version.at(-1) ?? 0) > shownVersions
        ? ' The slider shows further versions.'
        : ''),
    missing: () => (page.run?.updates.node.length ? '' : 'No update was aggregated yet.'),
    height: (size) => rowsHeight(page.run?.nodes.id.length ?? 1, size, 130),
    option(look, size) {
      const drawn = cells();
      const { id: ids } = page.run.nodes;
      const everyone = nodeNames(page.run, size);
      // The server takes no part, but where it trains as well.
      const taking = ids
        .map((_, i) => i)
        .filter((i) => ids[i] !== 0 || drawn.some(({ node }) => node === 0));
      const names = taking.map((i) => everyone[i]);
      const rows = new Map(taking.map((i, row) => [ids[i], row]));
      const last = drawn.reduce((most, { version }) => Math.max(most, version), 1);
      const most = drawn.reduce((value, { staleness }) => Math.max(value, staleness), 0);
      const versions = Array.from({ length: last }, (_, i) => i + 1);
      const many = rows.size > visibleRows(size) && !size.saved;
      const wide = versions.length > 120;
      const { grid } = legendAndGrid(look, size, [], {
        right: many ? 36 : 22,
        bottom: wide && !size.saved ? 40 : 6,
      });
      return {
        grid: { ...grid, top: 48 },
        tooltip: itemTip(
          look,
          ({ data }) =>
            data && [
              names[data[1]],
              [
                ['version', String(versions[data[0]])],
                ['staleness', String(data[2])],
                ['updates', count(data[3])],
              ],
            ]
        ),
        xAxis: categoryAxis(look, 'version', versions),
        yAxis: nameAxis(look, size, names, { splitArea: { show: false } }),
        visualMap: {
          type: 'continuous',
          min: 0,
          max: Math.max(1, most),
          dimension: 2,
          calculable: false,
          orient: 'horizontal',
          right: 12,
          top: 2,
          itemWidth: 12,
          itemHeight: 110,
          precision: 0,
          text: [`staleness ${most}`, '0'],
          inRange: { color: heat },
          textStyle: { color: look.text },
          seriesIndex: 0,
        },
        dataZoom: [
          ...rowScroll(look, size, rows.size),
          ...(wide ? columnScroll(look, size, versions.length, shownVersions) : []),
        ],
        series: [
          {
            type: 'heatmap',
            progressive: 0,
            data: drawn
              .filter(({ node }) => rows.has(node))
              .map((cell) => [cell.version - 1, rows.get(cell.node), cell.staleness, cell.updates]),
            itemStyle: { borderColor: look.paper, borderWidth: versions.length > 150 ? 0 : 1 },
          },
        ],
      };
    },
    values: cells,
    columns: {
      node: ['node'],
      version: ['version'],
      staleness: ['staleness', 'versions'],
      updates: ['updates'],
    },
  });
}
