#pragma once

// The form of the command line: help of at most 80 columns, examples, hints for misspelt words.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace convoy::cli {

// The form of --help.
std::shared_ptr<CLI::FormatterBase> help_form();

// Examples at the end of a verb's --help. Each is a command that works in the source folder once
// the commands of README.md have run.
void add_examples(CLI::App& verb, const std::vector<std::string>& commands);

// An error in the command line, for people: names unknown verbs and options with the nearest known
// ones. One line or more, each with its end.
std::string explained(const CLI::ParseError& error, const CLI::App& app,
                      const std::vector<std::string>& arguments);

}  // namespace convoy::cli
