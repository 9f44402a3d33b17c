// Tests of the loader: each way in which the MLX module can be missing or wrong is an error that says so.
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/mlx/mlx_backend.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

using ::testing::HasSubstr;

/// MLXE_MLX_BACKEND set for one test.
class ModuleVariable {
 public:
  explicit ModuleVariable(const std::string& path) { setenv("MLXE_MLX_BACKEND", path.c_str(), 1); }
  ~ModuleVariable() { unsetenv("MLXE_MLX_BACKEND"); }
  ModuleVariable(const ModuleVariable&) = delete;
  ModuleVariable& operator=(const ModuleVariable&) = delete;
};

std::string refusal() {
  try {
    (void)load_mlx_backend();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    return error.what();
  }
  return "no error";
}

TEST(MlxLoader, NamesTheModuleThatIsMissing) {
  const ModuleVariable variable("/nowhere/module.so");
  EXPECT_THAT(refusal(), HasSubstr("mlx backend '/nowhere/module.so': no such file"));
}

TEST(MlxLoader, RefusesAFileThatIsNoLibrary) {
  const ModuleVariable variable("CMakeLists.txt");
  EXPECT_THAT(refusal(), HasSubstr("cannot be loaded"));
}

TEST(MlxLoader, RefusesAModuleOfAnotherVersion) {
  const ModuleVariable variable(std::string(std::getenv("MLXE_BINARY_DIR")) + "/bin/libmlxe_foreign_module.so");
  EXPECT_THAT(refusal(), HasSubstr("belongs to version 0.0.1-other"));
}

}  // namespace
}  // namespace mlxe
