// What the sensors of real nodes said over time.
import { Figure } from '../chart.js';
import { select } from '../dom.js';
import { axisName, known, largest, number, quantity, scale } from '../format.js';
import { nodeName } from '../nodes.js';
import { seriesColour, seriesDash, seriesSymbol } from '../theme.js';
import { itemTip, legendAndGrid, valueAxis } from '../options.js';

const readings = {
  power_w: ['power', 'W'],
  temperature_c: ['temperature', '°C'],
  cpu_load: ['load of the CPU', 'share'],
  gpu_load: ['load of the GPU', 'share'],
  memory_used_bytes: ['memory used', 'bytes'],
};

export function sensors(page) {
  let key = 'power_w';
  const lines = () => {
    const table = page.run.readings;
    return [...new Set(table.node)]
      .map((node) => ({
        node,
        name: nodeName(page.run, node),
        points: table.node.flatMap((other, i) =>
          other === node && known(table[key][i]) ? [[table.time_s[i], table[key][i]]] : []
        ),
      }))
      .filter((line) => line.points.length);
  };
  const figure = new Figure(page, {
    id: 'sensors',
    title: 'Sensors of the real nodes',
    controls: [
      select(
        'Reading',
        Object.entries(readings).map(([name, [title]]) => [name, title]),
        key,
        (value) => {
          key = value;
          figure.refresh();
        }
      ),
    ],
    note: () => `${readings[key][0]} over virtual time.`,
    missing: () =>
      page.run && lines().length
        ? ''
        : `No readings of ${readings[key][0]}: no real node has such a sensor.`,
    option(look, size) {
      const drawn = lines();
      const [name, unit] = readings[key];
      const across = scale('s', largest(drawn.map((line) => line.points.map(([time]) => time))));
      const up = scale(unit, largest(drawn.map((line) => line.points.map(([, value]) => value))));
      const { legend, grid } = legendAndGrid(
        look,
        size,
        drawn.map((line) => line.name)
      );
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ seriesIndex, data }) => [
          drawn[seriesIndex].name,
          [
            ['virtual time', `${number(data[0])} ${across.name}`],
            [
              name,
              unit === 'share' || unit === 'bytes'
                ? `${number(data[1])} ${up.name}`
                : quantity(data[1], unit),
            ],
          ],
        ]),
        xAxis: valueAxis(look, axisName('virtual time', across.name), { min: 0 }),
        yAxis: valueAxis(look, axisName(name, up.name), { nameGap: 42, scale: unit === '°C' }),
        series: drawn.map((line, i) => ({
          type: 'line',
          name: line.name,
          symbol: seriesSymbol(i),
          symbolSize: 4,
          sampling: 'lttb',
          showSymbol: line.points.length < 80,
          lineStyle: { color: seriesColour(look, i), type: seriesDash(i), width: 1.6 },
          itemStyle: { color: seriesColour(look, i) },
          data: line.points.map(([time, value]) => [across.of(time), up.of(value)]),
        })),
      };
    },
    values: () =>
      lines().flatMap((line) =>
        line.points.map(([time, value]) => ({
          node: line.node,
          name: line.name,
          time_s: time,
          [key]: value,
        }))
      ),
    get columns() {
      const [name, unit] = readings[key];
      return {
        name: ['node'],
        time_s: ['virtual time', 's'],
        [key]: [name, { bytes: 'B', share: '' }[unit] ?? unit],
      };
    },
  });
  return figure;
}
