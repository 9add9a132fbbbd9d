// Tests what helps a user who does not know the words: --help, hints for misspelt ones, lists.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/diagnostics.hpp"
#include "engine/model/architecture.hpp"
#include "engine/rules/registry.hpp"
#include "platforms/catalogue.hpp"
#include "sim/schedule/schedule.hpp"
#include "tests/support/files.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::HasSubstr;
using testing::Not;

// The verbs that a --help lists.
std::vector<std::string> verbs_in(const std::string& help) {
  std::vector<std::string> verbs;
  std::istringstream lines(help.substr(std::min(help.find("Subcommands:\n"), help.size())));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty()) {
    if (line.starts_with("  ") && line[2] != ' ')
      verbs.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return verbs;
}

// A verb and those below it.
void expect_help(const std::string& path) {
  SCOPED_TRACE(path);
  const Output help = convoy(path + " --help");
  EXPECT_EQ(help.status, 0);
  std::istringstream lines(help.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  if (!path.empty()) {
    EXPECT_THAT(help.out, HasSubstr("\n  convoy " + path)) << "an example";
  }
  for (const std::string& verb : verbs_in(help.out))
    expect_help(path + (path.empty() ? "" : " ") + verb);
}

TEST(Help, OfEveryVerbFitsIn80ColumnsAndHasAnExample) {
  EXPECT_GE(verbs_in(convoy("--help").out).size(), 13U);
  expect_help("");
}

TEST(Help, AMisspeltVerbOrOptionIsNamedWithTheNearest) {
  Output output = convoy("rnu scenarios/quickstart.toml");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("unknown verb \"rnu\"; did you mean \"run\"?"));
  output = convoy("run x.toml --ouput y");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("unknown option --ouput; did you mean \"--output\"?"));
  output = convoy("trace imprt a.log");
  EXPECT_THAT(output.err, HasSubstr("unknown verb \"imprt\"; did you mean \"import\"?"));
  EXPECT_THAT(convoy("compare").err, HasSubstr("convoy compare --help"));
  EXPECT_THAT(convoy("").err, HasSubstr("--help lists"));
}

TEST(Help, AMisspeltNameIsAnsweredWithTheNearestOrWithAllThatBeginSo) {
  const auto says = [](const std::string& architecture) {
    return convoy("check " CONVOY_SOURCE "/scenarios/resnet18-16.toml --set model.architecture=" +
                  architecture)
        .err;
  };
  EXPECT_THAT(says("resnet18-cifr"), HasSubstr("did you mean \"resnet18-cifar\"?"));
  EXPECT_THAT(says("vit"), HasSubstr("did you mean \"vit-0.11b\", \"vit-b16\", \"vit-micro\", "
                                     "\"vit-small\" or \"vit-tiny\"?"));
  const std::string folder =
      convoy("check " CONVOY_SOURCE "/scenarios/quickstart.toml --set data.source=cifar10").err;
  EXPECT_THAT(folder, HasSubstr("name its folder: \"cifar10:/DIR\""));
  EXPECT_THAT(folder, Not(HasSubstr("did you mean")));
}

// The names that `convoy list` prints are those that the readers accept.
TEST(Help, TheListsHoldAllThatTheReadersKnow) {
  const auto listed = [](const std::string& topic) {
    const Output output = convoy("list " + topic + " --json");
    EXPECT_EQ(output.status, 0) << output.err;
    return nlohmann::json::parse(output.out).get<std::vector<std::string>>();
  };
  EXPECT_EQ(listed("devices"), platforms::Catalogue::device_names());
  EXPECT_EQ(listed("modes"), platforms::Catalogue::device_names());
  EXPECT_EQ(listed("links"), platforms::Catalogue::link_names());
  EXPECT_EQ(listed("fleets"), platforms::Catalogue::fleet_names());
  EXPECT_EQ(listed("architectures"), engine::architecture_names());
  std::vector<std::string> kinds;
  for (const auto& kind : sim::schedule_kinds()) kinds.push_back(kind.name);
  EXPECT_EQ(listed("schedules"), kinds);
  std::vector<std::string> rules;
  for (const auto& rule : engine::rule_kinds()) rules.push_back(rule.name);
  EXPECT_EQ(listed("rules"), rules);
  // Each topic that the command names has its list, with figures of its names.
  EXPECT_THAT(convoy("list").out, HasSubstr("convoy list modes"));
  EXPECT_THAT(convoy("list links").out, HasSubstr("400 Mbit/s"));
  EXPECT_THAT(convoy("list architectures").out, testing::ContainsRegex("resnet18 +3 x 224 x 224"));
  EXPECT_THAT(convoy("list architectures").out,
              testing::ContainsRegex("mobilenet_v2 .*or mobilenetv2"));
  EXPECT_THAT(convoy("list modes").out, testing::ContainsRegex("jetson-nano +MAXN"));
  EXPECT_THAT(convoy("list devces").err, HasSubstr("did you mean \"devices\"?"));
}

}  // namespace
}  // namespace convoy
