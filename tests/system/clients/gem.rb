# Asks with the gem deepstack: ruby -I LIB gem.rb URL PHOTO FACE
require "deepstack"

url, photo, face = ARGV
server = DeepStack.new(url)
puts JSON.generate(
  "objects" => File.open(photo, "rb") { |file| server.detect_objects(file, min_confidence: "0.6") },
  "objects, of bytes" => server.detect_objects(File.binread(photo), min_confidence: "0.6"),
  "objects, by model" => server.custom_model("ipcam-general", File.binread(photo), min_confidence: "0.6"),
  "faces" => server.detect_faces(File.binread(face)),
  "scene" => server.identify_scene(File.binread(photo))
)
server.close
