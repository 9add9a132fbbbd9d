#include "testbed/inventory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/testbed/support.hpp"

namespace convoy::testbed {
namespace {

class Inventories : public testing::Test {
 protected:
  Inventories() {
    for (const char* name : {"c.pem", "k.pem", "a.pem", "r.pem"}) folder_.write(name, "");
  }
  // The messages, each without the file's folder.
  std::string problems_of(const std::string& text) {
    base::Diagnostics problems;
    const auto inventory = read_inventory(folder_.write("i.toml", text), problems);
    EXPECT_EQ(inventory.has_value(), !problems.has_errors());
    std::string found = problems.str();
    const std::string place = folder_.path().string() + "/";
    for (std::size_t at = 0; (at = found.find(place)) != std::string::npos;) {
      found.erase(at, place.size());
    }
    return found;
  }
  convoy::test::TemporaryFolder folder_;
  const std::string files_ =
      "certificate = \"c.pem\"\nkey = \"k.pem\"\nauthority = \"a.pem\"\nrevoked = \"r.pem\"\n";
  const std::string good_ = "[coordinator]\nlisten = \"0.0.0.0:7700\"\n" + files_;
};

TEST_F(Inventories, AreRead) {
  base::Diagnostics problems;
  const auto inventory = read_inventory(
      folder_.write("i.toml", good_ +
                                  "[[nodes]]\nname = \"orin-1\"\n"
                                  "device = \"jetson-agx-orin-64gb\"\n[[nodes]]\nname = \"b\"\n"),
      problems);
  ASSERT_TRUE(inventory) << problems.str();
  EXPECT_EQ(inventory->listen.host, "0.0.0.0");
  EXPECT_EQ(inventory->listen.port, 7700);
  EXPECT_EQ(inventory->key, folder_.path() / "k.pem");
  EXPECT_FALSE(inventory->insecure);
  ASSERT_EQ(inventory->nodes.size(), 2U);
  EXPECT_EQ(inventory->find("orin-1")->device, "jetson-agx-orin-64gb");
  EXPECT_EQ(inventory->find("b")->device, "");
  EXPECT_EQ(inventory->find("c"), nullptr);
}

TEST_F(Inventories, ReportEveryProblemWithItsPlace) {
  const std::string text = problems_of(
      "[coordinator]\n"             // 1
      "listen = \"0.0.0.0\"\n"      // 2
      "certifcate = \"c.pem\"\n"    // 3
      "key = 7\n"                   // 4
      "authority = \"none.pem\"\n"  // 5
      "revoked = \"\"\n"            // 6
      "[[nodes]]\n"                 // 7
      "name = \"../../x\"\n"        // 8
      "[[nodes]]\n"                 // 9
      "nmae = \"a\"\n"              // 10
      "[[nodes]]\nname = \"a\"\n"   // 12
      "[[nodes]]\nname = \"a\"\n"   // 14
      "device = \"a/b\"\n"          // 15
      "[[nodes]]\n"                 // 16
      "name = \"coordinator\"\n");  // 17
  for (const char* part : {
           "i.toml:2:10: error: coordinator.listen: expected HOST:PORT",
           "i.toml:1:1: error: coordinator.certificate: missing",
           "i.toml:3:1: error: unknown key \"certifcate\" in [coordinator]; did you mean "
           "\"certificate\"?",
           "i.toml:4:7: error: coordinator.key: expected a string, got 7",
           "i.toml:5:13: error: coordinator.authority: there is no file none.pem",
           "i.toml:6:11: error: coordinator.revoked: there is no file",
           "i.toml:8:8: error: nodes.0.name: expected 1 to 64 letters",
           "i.toml:10:1: error: unknown key \"nmae\" in [nodes.1]; did you mean \"name\"?",
           "i.toml:9:1: error: nodes.1.name: missing",
           "i.toml:14:8: error: nodes.3.name: two nodes are called \"a\"",
           "i.toml:15:10: error: nodes.3.device: expected the name of a device",
           "i.toml:17:8: error: nodes.4.name: \"coordinator\" is the coordinator's own name",
       }) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n---\n" << text;
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 12) << text;
}

TEST_F(Inventories, RefuseWhatIsNone) {
  EXPECT_NE(problems_of("").find("coordinator: missing"), std::string::npos);
  EXPECT_NE(problems_of("coordinator = 3").find("1:15: error: coordinator: expected a table"),
            std::string::npos);
  EXPECT_NE(problems_of("[coordinator").find("not valid TOML"), std::string::npos);
  EXPECT_NE(problems_of(good_ + "[noeds]\n").find("did you mean \"nodes\"?"), std::string::npos);
  EXPECT_NE(problems_of("nodes = 3\n" + good_).find("an array of tables"), std::string::npos);
  base::Diagnostics problems;
  EXPECT_FALSE(read_inventory(folder_.path() / "none.toml", problems));
  EXPECT_NE(problems.str().find("cannot be read"), std::string::npos);
  EXPECT_EQ(problems.errors(), 1);
}

TEST_F(Inventories, AreInsecureOnLoopbackAlone) {
  for (const char* listen : {"127.0.0.1:7700", "127.9.8.7:1", "[::1]:7700"}) {
    EXPECT_EQ(
        problems_of(std::string("[coordinator]\ninsecure = true\nlisten = \"") + listen + "\"\n"),
        "");
  }
  for (const char* listen : {"0.0.0.0:7700", "[::]:7700", "192.168.1.5:7700", "localhost:7700",
                             "[::ffff:127.0.0.1]:7700", "128.0.0.1:7700"}) {
    const std::string text = problems_of(
        std::string("[coordinator]\ninsecure = true\nlisten = \"") + listen + "\"\n" + files_);
    EXPECT_NE(
        text.find("i.toml:2:12: error: coordinator.insecure: without TLS the coordinator only "
                  "listens on a loopback address"),
        std::string::npos)
        << listen << text;
  }
}

TEST_F(Inventories, ReadBackAsTheyWereWritten) {
  base::Diagnostics problems;
  Inventory inventory;
  inventory.listen = {"::", 7700};
  const auto root = folder_.path() / "with \"quotes\" and ü";
  std::filesystem::create_directories(root / "sub");
  const auto file = [&](const std::filesystem::path& path) {
    EXPECT_TRUE(folder_.write(path.lexically_relative(folder_.path()).string(), "").size() > 0);
    return path;
  };
  inventory.certificate = file(root / "sub" / "a \"b\"\\.pem");
  inventory.key = file(root / "key.pem");
  inventory.authority = folder_.path() / "a.pem";  // outside of the folder
  inventory.revoked = folder_.path() / "r.pem";
  inventory.nodes = {{"orin-1", "jetson-agx-orin-64gb"}, {"b", ""}};
  const std::string text = inventory_text(inventory, root);
  EXPECT_NE(text.find("key = \"key.pem\""), std::string::npos) << text;
  std::ofstream(root / "inventory.toml") << text;
  const auto read = read_inventory(root / "inventory.toml", problems);
  ASSERT_TRUE(read) << problems.str() << text;
  EXPECT_EQ(read->listen.str(), "[::]:7700");
  EXPECT_TRUE(std::filesystem::equivalent(read->certificate, inventory.certificate));
  EXPECT_TRUE(std::filesystem::equivalent(read->authority, inventory.authority));
  ASSERT_EQ(read->nodes.size(), 2U);
  EXPECT_EQ(read->nodes[0].device, "jetson-agx-orin-64gb");
  EXPECT_EQ(read->nodes[1].name, "b");
  EXPECT_EQ(inventory_text(*read, root), text);
  inventory.key = root / "\xff.pem";
  EXPECT_USER_ERROR(inventory_text(inventory, root), "not UTF-8");
}

TEST_F(Inventories, GrowByANodeAndKeepTheirComments) {
  const std::string text = with_node(good_ + "# mine", {"b", "nano"});
  EXPECT_EQ(text, good_ + "# mine\n\n[[nodes]]\ndevice = \"nano\"\nname = \"b\"\n");
  EXPECT_USER_ERROR(with_node("nodes = [{ name = \"a\" }]\n", {"b", ""}), "as a [[nodes]] table");
}

TEST_F(Inventories, LoseANodeAndNothingElse) {
  std::string text = good_ + "# before\n";
  for (const char* name : {"b", "c", "d"}) {
    text = with_node(text, {name, "nano"}) + "# after " + name + "\n";
  }
  for (const char* gone : {"b", "c", "d"}) {
    const auto shorter = without_node(text, gone);
    ASSERT_TRUE(shorter) << gone;
    for (const char* name : {"b", "c", "d"}) {
      const bool there = shorter->find(std::string("name = \"") + name + "\"") != std::string::npos;
      EXPECT_EQ(there, std::string(name) != gone) << *shorter;
      EXPECT_NE(shorter->find(std::string("# after ") + name), std::string::npos) << *shorter;
    }
    EXPECT_NE(shorter->find("# before"), std::string::npos);
  }
  EXPECT_FALSE(without_node(text, "e"));
  EXPECT_FALSE(without_node("nodes = [{ name = \"a\" }]\n", "a"));
  EXPECT_FALSE(without_node("broken", "a"));
}

TEST(Endpoints, AreReadStrictly) {
  for (const char* text : {"0.0.0.0:7700", "[::1]:1", "lab.local:65535", "a-1:80"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->str(), text);
  }
  for (const char* text : {"",        ":",         "host",       "host:",
                           ":7700",   "host:0",    "host:65536", "host:99999999999",
                           "host:+1", "host: 1",   "host:1x",    "::1:7700",
                           "[::1]",   "[::1]7700", "[host]:1",   "[127.0.0.1]:1",
                           "[]:1",    "127.1:1",   "1.2.3:1",    "256.1.1.1:1",
                           "a b:1",   "-a:1",      "a..b:1",     "fe80::1%eth0:1",
                           "a/b:1",   "0x7f.1:1"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
  EXPECT_FALSE(parse_endpoint(std::string_view("127.0.0.1\0:7", 12)));
  EXPECT_TRUE(is_loopback("127.255.0.1"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_TRUE(is_loopback("0:0::1"));
  EXPECT_FALSE(is_loopback("::"));
  EXPECT_FALSE(is_loopback("10.0.0.1"));
  EXPECT_FALSE(is_loopback("localhost"));
  EXPECT_TRUE(is_wildcard("0.0.0.0"));
  EXPECT_TRUE(is_wildcard("::"));
  EXPECT_FALSE(is_wildcard("::1"));
  for (const std::string& address : local_addresses()) {
    EXPECT_TRUE(is_host(address)) << address;
    EXPECT_FALSE(is_loopback(address)) << address;
  }
}

}  // namespace
}  // namespace convoy::testbed
