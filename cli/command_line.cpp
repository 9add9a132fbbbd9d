#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace convoy::cli {
namespace {

constexpr std::size_t help_width = 80;
constexpr std::size_t help_column = 26;  // where explanations begin

// A name in the left column, its explanation beside it, or below if the name is too long.
std::string entry(const std::string& name, const std::string& explanation) {
  std::string text = "  " + name;
  const std::string margin(help_column, ' ');
  bool first = text.size() + 2 <= help_column;
  if (first) {
    text += margin.substr(text.size());
  } else {
    text += "\n";
  }
  for (const std::string& line : base::wrapped(explanation, help_width - help_column)) {
    text += (first ? "" : margin) + line + "\n";
    first = false;
  }
  if (explanation.empty()) text += "\n";
  return text;
}

// "ACCURACY" of "ACCURACY:FLOAT in [0 - 1]", and "INT in [1 - 9]" of "INT:INT in [1 - 9]".
std::string type_of(const CLI::Option& option) {
  std::string text = option.get_type_name();
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return text;
  const std::string name = text.substr(0, colon);
  return text.compare(colon + 1, name.size(), name) == 0 ? text.substr(colon + 1) : name;
}

class Help : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* verb) const override {
    return entry(verb->get_display_name(true), verb->get_description());
  }
  std::string make_description(const CLI::App* verb) const override {
    std::string text;
    for (const std::string& line : base::wrapped(verb->get_description(), help_width)) {
      text += line + "\n";
    }
    return text;
  }
  // The type alone: what excludes what is said when it is used.
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (option->get_type_size() != 0 && !option->get_positional()) {
      text += " " + type_of(*option);
      if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
    }
    if (option->get_positional() && option->get_expected_max() > 1) text += " ...";
    return text;
  }
};

// "did you mean" for a word that begins with dashes, among a verb's options.
std::string option_hint(const std::string& word, const CLI::App& verb) {
  std::vector<std::string> known;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  return base::did_you_mean(word, known);
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_form() { return std::make_shared<Help>(); }

void add_examples(CLI::App& verb, const std::vector<std::string>& commands) {
  std::string text = commands.size() > 1 ? "Examples:" : "Example:";
  for (const std::string& command : commands) text += "\n  " + command;
  verb.footer(text);
}

std::string explained(const CLI::ParseError& error, const CLI::App& app,
                      const std::vector<std::string>& arguments) {
  const CLI::App* verb = &app;
  std::string path = app.get_name();
  std::string text;
  bool is_value = false;  // of the option before
  for (const std::string& word : arguments) {
    if (std::exchange(is_value, false)) continue;
    const auto verbs = verb->get_subcommands({});
    if (word.starts_with("-")) {
      const std::string name = word.substr(0, word.find('='));
      if (name.starts_with("--") && name.size() > 2 && verb->get_option_no_throw(name) == nullptr) {
        text += fmt::format("convoy: unknown option {}{}\n", name, option_hint(name, *verb));
        break;
      }
      const CLI::Option* option = verb->get_option_no_throw(name);
      is_value = option != nullptr && option->get_type_size() > 0 && name == word;
      continue;
    }
    if (verbs.empty()) continue;
    const auto found =
        std::ranges::find(verbs, word, [](const CLI::App* v) { return v->get_name(); });
    if (found != verbs.end()) {
      verb = *found;
      path += " " + word;
      continue;
    }
    std::vector<std::string> known;
    known.reserve(verbs.size());
    for (const CLI::App* other : verbs) known.push_back(other->get_name());
    text += fmt::format("convoy: unknown verb \"{}\"{}\n", word, base::did_you_mean(word, known));
    break;
  }
  if (text.empty()) text = fmt::format("convoy: {}\n", error.what());
  return text + fmt::format("{} --help lists what there is.\n", path);
}

}  // namespace convoy::cli
