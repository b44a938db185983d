// ProcessorsTest.cpp: the quota of a control group, read from files such as Linux shows them.
#include "kv/kv.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

extern "C" int64_t kvrt_processor_quota(const char *root);

namespace {

namespace fs = std::filesystem;

// A root of a file system with /proc/self and control groups in it.
struct Quota : testing::Test {
  void SetUp() override {
    std::string pattern = testing::TempDir() + "kvrt-quota-XXXXXX";
    root = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(root); }
  void write(const std::string &file, const std::string &text) {
    fs::create_directories((root + file).substr(0, (root + file).rfind('/')));
    std::ofstream(root + file) << text;
  }
  void unified(const std::string &group, const std::string &top = "/") {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo", "21 1 0:19 / /proc rw - proc proc rw\n"
                                  "30 23 0:26 " +
                                      top + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void version1(const std::string &group, const std::string &top = "/") {
    write("/proc/self/cgroup", "9:cpuset:/elsewhere\n4:cpuacct,cpu:" + group + "\n0::/elsewhere\n");
    write("/proc/self/mountinfo", "31 23 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                  "32 23 0:28 " +
                                      top + " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
  }
  void limit1(const std::string &group, const std::string &quota, const std::string &period) {
    write("/sys/fs/cgroup/cpu,cpuacct" + group + "/cpu.cfs_quota_us", quota + "\n");
    write("/sys/fs/cgroup/cpu,cpuacct" + group + "/cpu.cfs_period_us", period + "\n");
  }
  int64_t quota() { return kvrt_processor_quota(root.c_str()); }
  std::string root;
};

TEST_F(Quota, NoneWithoutControlGroups) { EXPECT_EQ(quota(), 0); }

TEST_F(Quota, OfTheUnifiedHierarchy) {
  unified("/a/b");
  EXPECT_EQ(quota(), 0);
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), 0);
  write("/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1);
  write("/sys/fs/cgroup/a/b/cpu.max", "350000 100000\n");
  EXPECT_EQ(quota(), 3) << "fractions are left";
  write("/sys/fs/cgroup/a/b/cpu.max", "20000 100000\n");
  EXPECT_EQ(quota(), 1) << "at least one";
}

TEST_F(Quota, TheLeastOfAllAround) {
  unified("/a/b/c");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
  write("/sys/fs/cgroup/cpu.max", "100000 100000\n"); // a container sees its own group as the top
  EXPECT_EQ(quota(), 1);
}

TEST_F(Quota, OfVersionOne) {
  version1("/docker/x");
  limit1("/docker/x", "-1", "100000");
  EXPECT_EQ(quota(), 0);
  limit1("/docker/x", "200000", "100000");
  EXPECT_EQ(quota(), 2);
  limit1("", "50000", "50000");
  EXPECT_EQ(quota(), 1);
}

TEST_F(Quota, InAContainerThatSeesPartOfTheHierarchy) {
  version1("/docker/x/worker", "/docker/x"); // the host's names, and a mount of the container's own group
  limit1("/worker", "300000", "100000");
  EXPECT_EQ(quota(), 3);
  unified("/../../other"); // outside of the name space: the mount's top is all there is
  write("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 4);
}

TEST_F(Quota, NonsenseIsNoQuota) {
  unified("/a");
  for (const char *text : {"", "\n", "100000", "-100000 100000", "100000 0", "x y"}) {
    write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(quota(), 0) << text;
  }
  write("/proc/self/cgroup", "0\n::\n");
  write("/proc/self/mountinfo", "nonsense\n - cgroup2\n");
  EXPECT_EQ(quota(), 0);
}

} // namespace
