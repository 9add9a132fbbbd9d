#include "testbed/setup.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/folder_lock.hpp"
#include "base/value.hpp"
#include "testbed/certificates.hpp"
#include "testbed/revocation.hpp"
#include "tests/testbed/support.hpp"

namespace convoy::testbed {
namespace {

using std::filesystem::path;

class Testbed : public testing::Test {
 protected:
  InitRequest request(const std::string& nodes = "orin-1:jetson-agx-orin-64gb,nano-1") {
    InitRequest wanted;
    wanted.folder = root_;
    wanted.nodes = parse_nodes(nodes);
    wanted.listen = {"0.0.0.0", 7700};
    wanted.addresses = {"192.168.1.5", "lab.local"};
    return wanted;
  }
  int verify(const path& bundle, const char* purpose = "sslclient") {
    return test::verify(*read_certificate(bundle / "certificate.pem"), root_ / "authority",
                        purpose);
  }
  Inventory inventory() {
    base::Diagnostics problems;
    auto read = read_inventory(root_ / "inventory.toml", problems);
    EXPECT_TRUE(read) << problems.str();
    return read.value_or(Inventory{});
  }
  static mode_t mode(const path& file) {
    struct stat facts {};
    EXPECT_EQ(::lstat(file.c_str(), &facts), 0) << file;
    return facts.st_mode & 07777U;
  }
  static base::Value toml(const path& file) {
    base::Diagnostics problems;
    base::Value value = base::read_toml_file(file.string(), problems);
    EXPECT_FALSE(problems.has_errors()) << problems.str();
    return value;
  }

  test::TemporaryFolder folder_;
  path root_ = folder_.path() / "lab";
};

TEST_F(Testbed, IsMadeWhole) {
  const SetupResult result = init_testbed(request());
  EXPECT_EQ(result.made.size(), 3U + 2U + 2U * 4U + 1U);
  for (const path& file : result.made) {
    EXPECT_EQ(mode(file), file.filename() == "key.pem" ? 0600U : 0644U) << file;
  }
  EXPECT_FALSE(result.notes.empty());
  EXPECT_EQ(mode(root_ / "authority"), 0700U);
  EXPECT_EQ(mode(root_ / "nodes"), 0700U);
  EXPECT_EQ(verify(root_ / "nodes" / "orin-1"), X509_V_OK);
  EXPECT_EQ(verify(root_ / "nodes" / "nano-1"), X509_V_OK);
  EXPECT_EQ(verify(root_ / "coordinator", "sslserver"), X509_V_OK);
  const Inventory read = inventory();
  EXPECT_EQ(read.listen.str(), "0.0.0.0:7700");
  EXPECT_EQ(read.find("orin-1")->device, "jetson-agx-orin-64gb");
  EXPECT_EQ(read.nodes.size(), 2U);
  EXPECT_NO_THROW(check_key_file(read.key));
  EXPECT_EQ(convoy::test::read_file(root_ / "nodes" / "orin-1" / "authority.pem"),
            convoy::test::read_file(root_ / "authority" / "certificate.pem"));
  const base::Value node = toml(root_ / "nodes" / "orin-1" / "node.toml");
  EXPECT_EQ(*node.find("connect")->as<std::string>(), "192.168.1.5:7700");
  EXPECT_EQ(*node.find("name")->as<std::string>(), "orin-1");
  EXPECT_EQ(*node.find("key")->as<std::string>(), "key.pem");
  // The lines prepared for the user are valid, too.
  std::string text = convoy::test::read_file(root_ / "nodes" / "orin-1" / "node.toml");
  for (const char* key : {"insecure", "data", "own_data", "state", "device", "max_memory_gb"}) {
    const std::size_t at = text.find("# " + std::string(key) + " = ");
    ASSERT_NE(at, std::string::npos) << key;
    text.erase(at, 2);
  }
  toml(folder_.write("node.toml", text));
}

TEST_F(Testbed, CanBeMovedAndMadeInAnEmptyFolder) {
  std::filesystem::create_directory(root_);
  init_testbed(request());
  std::filesystem::rename(root_, folder_.path() / "moved");
  root_ = folder_.path() / "moved";
  EXPECT_EQ(inventory().nodes.size(), 2U);
  add_node(root_, parse_node("orin-9"));
  EXPECT_EQ(inventory().nodes.size(), 3U);
}

TEST_F(Testbed, IsNotMadeTwice) {
  init_testbed(request());
  const std::string key = convoy::test::read_file(root_ / "authority" / "key.pem");
  EXPECT_USER_ERROR(init_testbed(request()), "inventory.toml: is there already");
  std::filesystem::remove(root_ / "inventory.toml");
  EXPECT_USER_ERROR(init_testbed(request()), "authority: is there already");
  EXPECT_EQ(convoy::test::read_file(root_ / "authority" / "key.pem"), key);
}

TEST_F(Testbed, IsNotMadeFromAWrongRequest) {
  for (const char* nodes : {"", "a,,b", "a,", "../../x", "a/b", "\x1b[31m", ".a", "-a", "a b",
                            "a:x/y", "coordinator"}) {
    EXPECT_USER_ERROR(parse_nodes(nodes), "\"");
  }
  EXPECT_USER_ERROR(parse_nodes(std::string(65, 'a')), "is no name for a node");
  EXPECT_USER_ERROR(parse_nodes(std::string_view("a\0b", 3)), "\"a?b\"");
  EXPECT_USER_ERROR(parse_nodes("a,b,a:nano"), "two nodes are called \"a\"");
  EXPECT_USER_ERROR(parse_nodes("a:"), "expected name or name:device");

  InitRequest wrong = request();
  wrong.nodes.clear();
  EXPECT_USER_ERROR(init_testbed(wrong), "needs nodes");
  wrong.nodes = {{"../../x", ""}};
  EXPECT_USER_ERROR(init_testbed(wrong), "is no name for a node");
  wrong = request();
  wrong.days = 0;
  EXPECT_USER_ERROR(init_testbed(wrong), "1 to 36500 days");
  wrong = request();
  wrong.addresses = {"0.0.0.0"};
  EXPECT_USER_ERROR(init_testbed(wrong), "nodes could connect to");
  wrong = request();
  wrong.listen = {"a b", 1};
  EXPECT_USER_ERROR(init_testbed(wrong), "no HOST:PORT");
  wrong = request();
  wrong.known_devices = {"jetson-agx-orin-32gb", "jetson-nano"};
  EXPECT_USER_ERROR(init_testbed(wrong), "did you mean \"jetson-agx-orin-32gb\"?");
  EXPECT_FALSE(std::filesystem::exists(root_));
  wrong = request();
  wrong.folder = folder_.path() / "none" / "lab";
  EXPECT_USER_ERROR(init_testbed(wrong), "cannot be made");
}

TEST_F(Testbed, NodesConnectToWhereTheCoordinatorListens) {
  InitRequest wanted = request("a");
  wanted.addresses.clear();
  wanted.listen = {"::1", 7700};
  init_testbed(wanted);
  EXPECT_EQ(*toml(root_ / "nodes" / "a" / "node.toml").find("connect")->as<std::string>(),
            "[::1]:7700");
  add_node(root_, {"b", ""});
  EXPECT_EQ(*toml(root_ / "nodes" / "b" / "node.toml").find("connect")->as<std::string>(),
            "[::1]:7700");
}

TEST_F(Testbed, GrowsByANode) {
  init_testbed(request());
  const SetupResult result = add_node(root_, parse_node("orin-2:jetson-nano"));
  EXPECT_EQ(result.made.size(), 5U);
  EXPECT_EQ(verify(root_ / "nodes" / "orin-2"), X509_V_OK);
  EXPECT_EQ(inventory().find("orin-2")->device, "jetson-nano");
  EXPECT_EQ(*toml(root_ / "nodes" / "orin-2" / "node.toml").find("connect")->as<std::string>(),
            "192.168.1.5:7700");
  EXPECT_EQ(end_of(read_certificate(root_ / "nodes" / "orin-2" / "certificate.pem").get()),
            end_of(read_certificate(root_ / "authority" / "certificate.pem").get()));

  EXPECT_USER_ERROR(add_node(root_, parse_node("orin-2")), "convoy testbed revoke");
  EXPECT_USER_ERROR(add_node(root_, parse_node("orin-2:other")), "is there with device");
  EXPECT_USER_ERROR(add_node(root_, {"../../x", ""}), "is no name for a node");
  EXPECT_USER_ERROR(add_node(root_, {"x", "nnao"}, {"nano"}), "did you mean \"nano\"?");
  EXPECT_USER_ERROR(add_node(folder_.path(), {"x", ""}), "is no testbed");
  folder_.write("lab/inventory.toml", "[coordinator]\nlisten = 3\n");
  EXPECT_USER_ERROR(add_node(root_, {"x", ""}), "inventory.toml:2:10: error");
}

TEST_F(Testbed, ARevokedNodeIsPutAsideAndCanComeBack) {
  init_testbed(request());
  const auto first = read_certificate(root_ / "nodes" / "orin-1" / "certificate.pem");
  EXPECT_EQ(revoke_node(root_, "orin-1").made.size(), 2U);  // the revocation list and the inventory
  EXPECT_FALSE(std::filesystem::exists(root_ / "nodes" / "orin-1"));
  EXPECT_EQ(verify(root_ / "revoked" / "orin-1-1"), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verify(root_ / "nodes" / "nano-1"), X509_V_OK);
  EXPECT_TRUE(revoke_node(root_, "orin-1").made.empty());
  EXPECT_EQ(inventory().find("orin-1"), nullptr);  // runs do not wait for it
  EXPECT_NE(inventory().find("nano-1"), nullptr);

  add_node(root_, parse_node("orin-1"));
  EXPECT_EQ(inventory().nodes.size(), 2U);
  EXPECT_EQ(verify(root_ / "nodes" / "orin-1"), X509_V_OK);
  revoke_node(root_, "orin-1");
  EXPECT_EQ(verify(root_ / "revoked" / "orin-1-2"), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(test::verify(*first, root_ / "authority", "sslclient"), X509_V_ERR_CERT_REVOKED);

  EXPECT_USER_ERROR(revoke_node(root_, "orin-3"), "did you mean \"orin-1\"?");
  EXPECT_USER_ERROR(revoke_node(root_, "../authority"), "no node");
  EXPECT_USER_ERROR(revoke_node(root_, ""), "no node");
  EXPECT_USER_ERROR(revoke_node(root_, "coordinator"), "cannot be revoked");
  EXPECT_USER_ERROR(revoke_node(folder_.path(), "orin-1"), "is no testbed");
  EXPECT_TRUE(std::filesystem::exists(root_ / "authority" / "key.pem"));
}

TEST_F(Testbed, ABundleThatLeftTheMachineIsRevokedAllTheSame) {
  init_testbed(request());
  std::filesystem::remove_all(root_ / "nodes" / "orin-1");
  folder_.write("lab/inventory.toml", "broken");  // the inventory is not needed either
  revoke_node(root_, "orin-1");
  const auto all = issued(open_authority(root_ / "authority"));
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& one) { return one.revoked; }), 1);
}

TEST_F(Testbed, OneCommandAtATime) {
  init_testbed(request());
  const base::FolderLock lock(root_);
  EXPECT_USER_ERROR(add_node(root_, {"x", ""}), "another command is at work");
  EXPECT_USER_ERROR(revoke_node(root_, "orin-1"), "another command is at work");
}

TEST_F(Testbed, TheOpensslToolAgrees) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no openssl";
  init_testbed(request());
  const auto agrees = [&](const std::string& certificate, const std::string& purpose) {
    const std::string command = "cd " + root_.string() +
                                " && openssl verify -x509_strict -crl_check -CAfile "
                                "authority/certificate.pem -CRLfile authority/crl.pem -purpose " +
                                purpose + " " + certificate + " >/dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  };
  EXPECT_TRUE(agrees("nodes/orin-1/certificate.pem", "sslclient"));
  EXPECT_FALSE(agrees("nodes/orin-1/certificate.pem", "sslserver"));
  EXPECT_TRUE(agrees("coordinator/certificate.pem", "sslserver"));
  revoke_node(root_, "orin-1");
  EXPECT_FALSE(agrees("revoked/orin-1-1/certificate.pem", "sslclient"));
  EXPECT_TRUE(agrees("nodes/nano-1/certificate.pem", "sslclient"));
}

}  // namespace
}  // namespace convoy::testbed
