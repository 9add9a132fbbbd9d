#pragma once

// SQL generated from the column lists (columns.hpp), and rows to and from statements. Internal to
// sim/store and analysis.
//
//   SQLite::Statement insert(database, insert_into<TaskRow>());
//   write_row(insert, task_row);
//
//   SQLite::Statement rows(database, select_from<TaskRow>() + " ORDER BY id");
//   while (rows.executeStep()) tasks.push_back(read_row<TaskRow>(rows));

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "sim/store/columns.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

// --- lists of columns ---------------------------------------------------------------------------

// "id, node, label"; with `before` "t.": "t.id, t.node, t.label".
template <class Row>
std::string column_names(std::string_view before = "") {
  std::string list;
  for_each_column<Row>([&](const auto& c) {
    list += fmt::format("{}{}{}", list.empty() ? "" : ", ", before, c.name);
  });
  return list;
}

template <class Value>
struct NotOptional {
  using Type = Value;
};
template <class Value>
struct NotOptional<std::optional<Value>> {
  using Type = Value;
};

template <class Row, class Value>
std::string declaration(const Column<Row, Value>& c) {
  using Plain = typename NotOptional<Value>::Type;
  constexpr bool is_text = std::is_same_v<Plain, std::string> || std::is_same_v<Plain, RunStatus>;
  const char* type = is_text ? "TEXT" : std::is_same_v<Plain, double> ? "REAL" : "INTEGER";
  const bool may_be_null = !std::is_same_v<Plain, Value> || c.kind == ColumnKind::nullable ||
                           c.kind == ColumnKind::nan_is_null;
  const char* rest = c.kind == ColumnKind::key ? " PRIMARY KEY" : may_be_null ? "" : " NOT NULL";
  return fmt::format("{} {}{}", c.name, type, rest);
}
template <class Row>
std::string declaration(const WordColumn<Row>& c) {
  return fmt::format("{} TEXT NOT NULL", c.name);
}

// `Rows`: the row types whose columns together make the table.
template <class... Rows>
std::string create_table() {
  std::string list;
  const auto add = [&](const auto& c) { list += (list.empty() ? "" : ", ") + declaration(c); };
  (for_each_column<Rows>(add), ...);
  using First = std::tuple_element_t<0, std::tuple<Rows...>>;
  return fmt::format("CREATE TABLE {} ({});\n", Table<First>::name, list);
}

// `more_columns`, `more_values`: further columns of the table, besides the row's.
template <class Row>
std::string insert_into(const std::string& more_columns = "", const std::string& more_values = "") {
  std::string marks = "?";
  for (int i = 1; i < column_count<Row>; ++i) marks += ", ?";
  return fmt::format("INSERT INTO {} ({}{}) VALUES ({}{})", Table<Row>::name, column_names<Row>(),
                     more_columns, marks, more_values);
}

// Several rows by one statement, which takes a third less time a row. OR FAIL: a row that SQLite
// refuses ends the transaction anyway, and without it a journal of its own would undo those before.
template <class Row>
std::string insert_many_into(int rows) {
  std::string marks = "?";
  for (int i = 1; i < column_count<Row>; ++i) marks += ", ?";
  std::string all = fmt::format("({})", marks);
  for (int row = 1; row < rows; ++row) all += fmt::format(", ({})", marks);
  return fmt::format("INSERT OR FAIL INTO {} ({}) VALUES {}", Table<Row>::name, column_names<Row>(),
                     all);
}

// Into a table whose columns are those of several row types: see write_all().
template <class... Rows>
std::string insert_into_all() {
  std::string columns;
  std::string marks;
  const auto add = [&](const auto& c) {
    columns += fmt::format("{}{}", columns.empty() ? "" : ", ", c.name);
    marks += marks.empty() ? "?" : ", ?";
  };
  (for_each_column<Rows>(add), ...);
  using First = std::tuple_element_t<0, std::tuple<Rows...>>;
  return fmt::format("INSERT INTO {} ({}) VALUES ({})", Table<First>::name, columns, marks);
}

// "UPDATE run SET status = ?, cause = ?", for all rows; append a WHERE to select some.
template <class Row>
std::string update_all() {
  std::string list;
  for_each_column<Row>(
      [&](const auto& c) { list += fmt::format("{}{} = ?", list.empty() ? "" : ", ", c.name); });
  return fmt::format("UPDATE {} SET {}", Table<Row>::name, list);
}

template <class Row>
std::string select_from() {
  return fmt::format("SELECT {} FROM {}", column_names<Row>(), Table<Row>::name);
}

// --- values into a statement --------------------------------------------------------------------

template <class Value>
void bind_value(SQLite::Statement& statement, int at, const Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) {
    statement.bindNoCopy(at, value);  // the row outlives the step
  } else if constexpr (std::is_same_v<Value, bool>) {
    statement.bind(at, value ? 1 : 0);
  } else if constexpr (std::is_same_v<Value, std::uint64_t>) {
    statement.bind(at, static_cast<std::int64_t>(value));
  } else if constexpr (std::is_same_v<Value, RunStatus>) {
    statement.bind(at, name_of(value));
  } else {
    statement.bind(at, value);
  }
}
template <class Value>
void bind_value(SQLite::Statement& statement, int at, const std::optional<Value>& value) {
  if (value) {
    bind_value(statement, at, *value);
  } else {
    statement.bind(at);
  }
}

template <class Row, class Value>
void bind_column(SQLite::Statement& statement, int at, const Column<Row, Value>& c,
                 const Row& row) {
  bind_value(statement, at, row.*c.member);
}
template <class Row>
void bind_column(SQLite::Statement& statement, int at, const WordColumn<Row>& c, const Row& row) {
  statement.bindNoCopy(at, c.words.at(row.*c.member ? 1 : 0));
}

// Binds the columns behind the first `at` parameters; gives the number of those bound so far.
template <class Row>
int bind_row(SQLite::Statement& statement, const Row& row, int at = 0) {
  for_each_column<Row>([&](const auto& c) { bind_column(statement, ++at, c, row); });
  return at;
}

template <class Row>
void write_row(SQLite::Statement& statement, const Row& row) {
  bind_row(statement, row);
  statement.exec();
  statement.reset();
}

template <class... Rows>
void write_all(SQLite::Statement& statement, const Rows&... rows) {
  int at = 0;
  ((at = bind_row(statement, rows, at)), ...);
  statement.exec();
  statement.reset();
}

// --- values out of a statement ------------------------------------------------------------------

template <class Value>
void read_value(const SQLite::Column& cell, Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) {
    value = cell.getString();
  } else if constexpr (std::is_same_v<Value, double>) {
    value = cell.getDouble();
  } else if constexpr (std::is_same_v<Value, bool>) {
    value = cell.getInt() != 0;
  } else if constexpr (std::is_same_v<Value, RunStatus>) {
    value = status_of(cell.getString());
  } else {
    value = static_cast<Value>(cell.getInt64());
  }
}
template <class Value>
void read_value(const SQLite::Column& cell, std::optional<Value>& value) {
  if (cell.isNull()) {
    value.reset();
  } else {
    read_value(cell, value.emplace());
  }
}

template <class Row, class Value>
void read_column(SQLite::Statement& statement, int at, const Column<Row, Value>& c, Row& row) {
  const SQLite::Column cell = statement.getColumn(at);
  read_value(cell, row.*c.member);
  if constexpr (std::is_same_v<Value, double>) {
    if (c.kind == ColumnKind::nan_is_null && cell.isNull()) {
      row.*c.member = std::numeric_limits<double>::quiet_NaN();
    }
  }
}
template <class Row>
void read_column(SQLite::Statement& statement, int at, const WordColumn<Row>& c, Row& row) {
  row.*c.member = statement.getColumn(at).getString() == c.words[1];
}

// Reads a row whose columns begin at `first` of the statement.
template <class Row>
Row read_row(SQLite::Statement& statement, int first = 0) {
  Row row;
  int at = first;
  for_each_column<Row>([&](const auto& c) { read_column(statement, at++, c, row); });
  return row;
}

// `rest`: the part of the SELECT after FROM, such as ORDER BY.
template <class Row>
std::vector<Row> read_rows(SQLite::Database& database, const std::string& rest) {
  std::vector<Row> all;
  SQLite::Statement rows(database, select_from<Row>() + " " + rest);
  while (rows.executeStep()) all.push_back(read_row<Row>(rows));
  return all;
}

}  // namespace convoy::sim
