// Where a model's parts lie, if its folder is an adapter's.
#include "engine/model_folders.h"

#include "engine/tiny_encoder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using Json = nlohmann::json;
using testing::TemporaryFolder;
using testing::TinyModel;

/// A LoRA of rank 1 on the first layer's query, with a base of that name.
void write_adapter(const TemporaryFolder& folder, const std::string& base, const std::string& inside = "") {
  const std::filesystem::path at(inside);
  folder.write_json(at / "adapter_config.json",
                    Json{{"peft_type", "LORA"}, {"r", 1}, {"lora_alpha", 1}, {"base_model_name_or_path", base}});
  const std::string name = "base_model.model.encoder.layer.0.attention.self.query.";
  folder.write(at / "adapter_model.safetensors",
               testing::to_safetensors({{name + "lora_A.weight", testing::random_tensor({1, 8}, 1)},
                                        {name + "lora_B.weight", testing::random_tensor({8, 1}, 2)}}));
}

void write_config(const TemporaryFolder& folder, const std::filesystem::path& inside = "") {
  folder.write_json(inside / "config.json", Json::object());
}

TEST(ModelFolders, AreOneForAPlainModel) {
  const TemporaryFolder folder;
  const ModelFolders found = find_model_folders(folder.path(), {});
  EXPECT_EQ(found.pipeline, folder.path());
  EXPECT_FALSE(found.base);
  EXPECT_FALSE(found.adapter);
}

TEST(ModelFolders, OfAnAdapterHaveItsBase) {
  const TemporaryFolder base;
  const TemporaryFolder adapter;
  write_config(base);
  write_adapter(adapter, base.path().string());
  const ModelFolders found = find_model_folders(adapter.path(), {});
  EXPECT_EQ(found.base, base.path());
  EXPECT_EQ(found.pipeline, base.path());
  EXPECT_EQ(found.adapter, adapter.path());
  adapter.write("modules.json", "[]");
  EXPECT_EQ(find_model_folders(adapter.path(), {}).pipeline, adapter.path());
}

TEST(ModelFolders, OfABaseInsideTheAdaptersOwnAreFoundThere) {
  const TemporaryFolder adapter;
  write_adapter(adapter, "base");
  write_config(adapter, "base");
  EXPECT_EQ(find_model_folders(adapter.path(), {}).base, adapter.path() / "base");
}

TEST(ModelFolders, OfABaseInTheOldLayoutHaveItsTransformer) {
  const TemporaryFolder base;
  const TemporaryFolder adapter;
  base.write("modules.json", "[]");
  write_config(base, "0_Transformer");
  write_adapter(adapter, base.path().string());
  const ModelFolders found = find_model_folders(adapter.path(), {});
  EXPECT_EQ(found.base, base.path() / "0_Transformer");
  EXPECT_EQ(found.pipeline, base.path());
}

TEST(ModelFolders, WantANameOfTheBase) {
  const TemporaryFolder adapter;
  write_adapter(adapter, "");
  EXPECT_ERROR(kCorruptModel, "names no 'base_model_name_or_path'", find_model_folders(adapter.path(), {}));
  write_adapter(adapter, "/no/such/folder");
  EXPECT_ERROR(kModelNotFound, "the base model of the adapter in " + adapter.path().string(),
               find_model_folders(adapter.path(), {}));
}

TEST(ModelFolders, RefuseAnAdapterOfAnAdapter) {
  const TemporaryFolder middle;
  const TemporaryFolder adapter;
  const TemporaryFolder base;
  write_config(base);
  write_adapter(middle, base.path().string());
  write_adapter(adapter, middle.path().string());
  EXPECT_ERROR(kUnsupported, "an adapter of an adapter is not supported", find_model_folders(adapter.path(), {}));
  write_config(middle);  // that it has a model too makes it no base
  EXPECT_ERROR(kUnsupported, "an adapter of an adapter is not supported", find_model_folders(adapter.path(), {}));
  EXPECT_ERROR(kUnsupported, "'" + middle.path().string() + "' is an adapter itself",
               find_model_folders(middle.path(), adapter.path().string()));
}

TEST(ModelFolders, SayWhatABaseLacks) {
  const TemporaryFolder base;
  const TemporaryFolder adapter;
  base.write("modules.json", "[]");
  write_adapter(adapter, base.path().string());
  EXPECT_ERROR(kCorruptModel, "'" + base.path().string() + "' holds no config.json, nor does its 0_Transformer",
               find_model_folders(adapter.path(), {}));
}

TEST(ModelFolders, WantAnAdapterWhereOneIsNamed) {
  const TemporaryFolder base;
  const TemporaryFolder other;
  write_config(base);
  write_config(other);
  EXPECT_ERROR(kCorruptModel, "holds no adapter_config.json, so it is no adapter",
               find_model_folders(base.path(), other.path().string()));
}

// Of peft's own folders many hold a tokenizer; the limits of the base are then as they were.
TEST(ModelFolders, TakeWhatTheAdapterLeavesUnsaidFromTheBase) {
  const TinyModel tiny;
  tiny.folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 16}});
  tiny.folder.write_json("tokenizer_config.json", Json{{"mask_token", "six"}});
  const TemporaryFolder adapter;
  write_adapter(adapter, "unread");
  adapter.write_json("tokenizer.json", tiny.tokenizer);
  const LoadOptions options{.adapter = adapter.path().string()};
  EXPECT_EQ(testing::load(tiny, options).info.max_length, 16);
  EXPECT_EQ(testing::load(tiny, options).info.mask_token, "six");
  adapter.write_json("sentence_bert_config.json", Json{{"max_seq_length", 12}});
  EXPECT_EQ(testing::load(tiny, options).info.max_length, 12);
}

}  // namespace
}  // namespace mlxe
