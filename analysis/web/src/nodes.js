// What charts by node share: names, the chosen run, horizontal stacked bars.
import { axisName, largest, quantity, scale } from './format.js';
import { Figure } from './chart.js';
import { itemTip, legendAndGrid, nameAxis, rowScroll, valueAxis, visibleRows } from './options.js';

const rowHeight = 22;

// "● nano-1 (real)": a mark that needs no colour; the mark alone where there is no room.
export function nodeNames(run, size) {
  const after = size.narrow ? '' : ' (real)';
  return run.nodes.name.map((name, i) => (run.nodes.real[i] ? `● ${name}${after}` : name));
}

export const realNote = (run) => (run.nodes.real.includes(true) ? ' ● marks a real device.' : '');

export function nodeName(run, id) {
  const i = run.nodes.id.indexOf(id);
  return i < 0 ? `node ${id}` : run.nodes.name[i];
}

export function rowsHeight(rows, size, extra, row = rowHeight) {
  const shown = Math.min(rows, visibleRows(size));
  return Math.max(140, shown * row + extra);
}

function withoutServer(run) {
  const keep = (column) => column.filter((_, i) => run.nodes.id[i] !== 0);
  const nodes = Object.entries(run.nodes).map(([key, column]) => [key, keep(column)]);
  return { ...run, nodes: Object.fromEntries(nodes) };
}

// Bars to the right, one row a node. `parts(run)`: [{key, name, values: by node}], `style(look)`:
// {key: itemStyle}; `markers(run)`: {key, name, values} drawn as a line across, e.g. the
// capacity, or null; `label(run, i)` is written beside it. `workers`: the server is left out.
export function nodeBars(
  page,
  { id, title, note, unit, axis, parts, style, stacked = true, workers, markers, missing, label }
) {
  const shown = () => (workers ? withoutServer(page.run) : page.run);
  const rows = () => (page.run ? shown().nodes.id.length : 0);
  return new Figure(page, {
    id,
    title,
    note,
    missing: () => missing?.() || (rows() === 0 ? 'There are no nodes.' : ''),
    height: (size) => rowsHeight(rows() * (stacked ? 1 : 1.4), size, 110),
    option(look, size) {
      const run = shown();
      const drawn = parts(run);
      const marks = markers?.(run);
      const sums = run.nodes.id.map((_, i) =>
        stacked
          ? drawn.reduce((sum, part) => sum + (part.values[i] ?? 0), 0)
          : Math.max(...drawn.map((part) => part.values[i] ?? 0))
      );
      const units = scale(unit, largest([sums, marks?.values ?? []]));
      const names = nodeNames(run, size);
      const styles = style(look);
      const many = rows() > visibleRows(size) && !size.saved;
      const { legend, grid } = legendAndGrid(
        look,
        size,
        drawn.length + (marks ? 1 : 0) > 1
          ? [...drawn.map((part) => part.name), ...(marks ? [marks.name] : [])]
          : [],
        { right: many ? 34 : label ? 56 : 22 }
      );
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ dataIndex }) => [
          names[dataIndex],
          [
            ...drawn.map((part) => [
              part.name,
              quantity(part.values[dataIndex], unit),
              styles[part.key].color,
            ]),
            marks ? [marks.name, quantity(marks.values[dataIndex], unit)] : null,
            run.nodes.device[dataIndex] ? ['device', run.nodes.device[dataIndex]] : null,
          ],
        ]),
        xAxis: valueAxis(look, axisName(axis, units.name), { min: 0 }),
        yAxis: nameAxis(look, size, names),
        dataZoom: rowScroll(look, size, rows()),
        series: [
          ...drawn.map((part) => ({
            type: 'bar',
            name: part.name,
            stack: stacked ? 'all' : undefined,
            barMaxWidth: 16,
            barCategoryGap: '24%',
            itemStyle: {
              borderColor: look.paper,
              borderWidth: stacked ? 0.5 : 0,
              ...styles[part.key],
            },
            data: part.values.map(units.of),
          })),
          ...(marks
            ? [
                {
                  type: 'scatter',
                  name: marks.name,
                  symbol: 'rect',
                  symbolSize: [3, 16],
                  z: 5,
                  itemStyle: { color: look.text },
                  data: marks.values.map((value, i) => [units.of(value), i]),
                  label: label
                    ? {
                        show: true,
                        position: 'right',
                        color: look.soft,
                        fontSize: 11,
                        formatter: ({ dataIndex }) => label(run, dataIndex),
                      }
                    : undefined,
                },
              ]
            : []),
        ],
      };
    },
    values() {
      const run = shown();
      const drawn = parts(run);
      const marks = markers?.(run);
      return run.nodes.id.map((node, i) => ({
        node,
        name: run.nodes.name[i],
        ...Object.fromEntries(drawn.map((part) => [part.key, part.values[i]])),
        ...(marks ? { [marks.key]: marks.values[i] } : {}),
      }));
    },
    get columns() {
      const drawn = parts(shown());
      const marks = markers?.(shown());
      const name = unit === 'bytes' ? 'B' : unit;
      return {
        node: ['id'],
        name: ['node'],
        ...Object.fromEntries(drawn.map((part) => [part.key, [part.name, name]])),
        ...(marks ? { [marks.key]: [marks.name, name] } : {}),
      };
    },
  });
}
