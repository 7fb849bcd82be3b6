# `rangefinder model`: built-in networks, own networks, weights, and every way in which they can be wrong.

model_describes_every_built_in_network() {
    for name in simplecnn lenet resnet20 resnet18-cifar vgg11-cifar mobilenetv2-cifar regnet_y_400mf; do
        succeeds model $name --input 3x32x32
        prints parameters
        succeeds model $name --input 3x32x32 --json
        tr -d ' \n' <"$logs/out" | grep -q '"layers":\[{"name":' || fail "$name as JSON"
    done
}

# PyTorch's counts: see the networks' papers and torchvision.
model_counts_parameters_like_pytorch() {
    succeeds model resnet18-cifar --input 3x32x32 --classes 10
    prints 11,173,962
    succeeds model resnet18
    prints 11,689,512
}

networks_have_the_images_that_they_are_for() {
    succeeds model efficientnet_b0
    prints 'efficientnet_b0 for images 3x224x224, 1000 classes'
    for name in lenet resnet20 simplecnn vgg11-cifar; do
        succeeds model $name
        prints "$name for images 3x32x32, 10 classes"
    done
    succeeds model squeezenet1_1 --classes 7
    prints 'squeezenet1_1 for images 3x224x224, 7 classes'
}

small_images_get_the_networks_for_small_images() {
    rf model ResNet-18 --input 3x32x48
    prints 'resnet18-cifar for images 3x32x48'
    says 'resnet18: images of 32x48 are under 64 pixels, so it is resnet18-cifar'
    succeeds model resnet18 --input 3x64x64
    prints 'resnet18 for images 3x64x64'
}

model_reads_the_documentations_networks() {
    for net in "$here"/../../docs/examples/*.net; do
        succeeds model "$net" --input 3x32x32
        prints parameters
    done
}

unknown_models_and_bad_sizes_are_refused() {
    refuses 3 "did you mean resnet18" model resnet81
    refuses 3 "nosuch" model ./nosuch.net
    for size in 3x32 0x3x3 -1x3x3 3x32x32x 3x32x32x1 axbxc '' 99999x1x1 '3x 8x8'; do
        refuses 2 "--input" model simplecnn --input "$size"
    done
    for classes in 0 1 -1 x 2.5; do refuses 2 "--classes" model simplecnn --classes $classes; done
}

# bad_model TEXT MODEL: refused, with TEXT in the message.
bad_model() {
    printf "$2" >bad.net
    refuses 3 "$1" model bad.net
    says bad.net
}

images_too_small_for_a_network_are_refused_with_the_option() {
    refuses 3 "needs 2x2; larger images (--image-size" find --model vgg16 --data digits
    refuses 3 "--input) give larger maps" model vgg16 --input 3x8x8
    printf 'conv 8 kernel=9\nflatten\nlinear classes\n' >net
    refuses 3 "needs 9x9; larger images (--image-size" find --model ./net --data digits
    printf 'pad before=9 after=9 reflect=yes\nflatten\nlinear classes\n' >net
    refuses 3 "after it; larger images (--image-size" find --model ./net --data digits
}

bad_models_are_refused_with_line_and_reason() {
    : >bad.net
    refuses 3 "bad.net" model bad.net
    bad_model "cnov" 'cnov 8 3\n'
    bad_model "2" 'relu\nconv\n'
    bad_model "later" 'a: relu <- later\nlater: relu <- a\nflatten\nlinear classes\n'
    bad_model "nosuch" 'a: relu <- nosuch\n'
    bad_model "a" 'a: relu\na: relu\nflatten\nlinear classes\n'
    bad_model "kernel" 'conv 8 99\nflatten\nlinear classes\n'
    bad_model "add" 'a: conv 8 3 pad=1\nb: conv 4 3 pad=1 <- in\nadd <- a, b\nflatten\nlinear classes\n'
    bad_model "stride" 'conv 8 3 stride=0\n'
    bad_model "end" 'block b(x)\nrelu\n'
    bad_model "" 'conv 8 3 pad=1 pad=\n'
    bad_model "" '\001\002\003\377\n'
}

blocks_that_call_each_other_and_endless_loops_are_refused() {
    bad_model "" 'block a()\nb\nend\nblock b()\na\nend\na\n'
    bad_model "" 'block a()\na\nend\na\n'
    bad_model "" 'for i = 1 to 1000000000\nrelu\nend\nflatten\nlinear classes\n'
}

texts_that_compute_without_end_are_refused_soon() {
    sum=$(printf '1%.0s+' $(seq 50))1
    bad_model "steps to unfold" "for i = 1 to 1900000\\nv = ($sum) + ($sum) * ($sum)\\nend\\nflatten\\nlinear classes\\n"
}

a_million_layers_are_refused_soon() {
    yes relu | head -1000000 >bad.net
    refuses 3 "bad.net" model bad.net
}

networks_too_large_for_memory_are_refused() {
    bad_model "" 'conv 1000000 63 pad=31\nconv 1000000 63 pad=31\nflatten\nlinear classes\n'
}

# tensors FILE HEADER BYTES: a safetensors file with this header and so many bytes of zeros.
tensors() { { le64 ${#2}; printf '%s' "$2"; head -c "$3" /dev/zero; } >"$1"; }

# bad_weights TEXT: ./w is refused by the network of one linear layer.
bad_weights() {
    printf 'flatten\nfc: linear classes bias=no\n' >own.net
    refuses 3 "$1" find --data synthetic:1x2x2,2,8 --batch 4 --model own.net --weights w
}

weights_are_taken_by_name() {
    printf 'flatten\nfc: linear classes bias=no\n' >own.net
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}' 32
    rf find --data synthetic:1x2x2,2,8 --batch 4 --model own.net --weights w --iterations 3 --csv -
    [ "$code" -le 1 ] || fail "weights that fit"
    sed -n 2p "$logs/out" | grep -q ',0\.69314' || fail "with zero weights the loss is ln 2"
}

# The file's last layer is for three classes, the data have two.
weights_for_other_classes_get_a_new_last_layer() {
    printf 'conv1: conv 1 2\nflatten\nfc: linear classes\n' >own.net
    tensors w '{"n_averaged":{"dtype":"I64","shape":[],"data_offsets":[48,56]},"net.conv1.weight":{"dtype":"F32","shape":[1,1,2,2],"data_offsets":[0,16]},"net.conv1.bias":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},"net.fc.weight":{"dtype":"F32","shape":[3,1],"data_offsets":[20,32]},"net.fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[32,44]},"net.t.num_batches_tracked":{"dtype":"I32","shape":[],"data_offsets":[44,48]}}' 56
    own="--data synthetic:1x2x2,2,8 --model own.net --weights w"
    refuses 3 "shape mismatches: net.fc.weight (the file has 3x1, the network 2x1)" find $own --batch 4 --strict
    refuses 2 "give one of them" find $own --batch 4 --strict --new-head
    refuses 2 "no effect without --weights" find --strict
    rf train $own --batch 4 --lr 0.01 --epochs 1 --freeze 'conv1*' --out run
    [ "$code" -eq 0 ] || fail "a new last layer is no error"
    says 'w: the last layer, fc, is new: net.fc.weight (the file has 3x1, the network 2x1)'
    succeeds eval --run run --data synthetic:1x2x2,2,8
}

imagenets_mean_comes_with_its_standard_deviation() {
    colour="train --data synthetic:3x4x4,2,8 --model simplecnn --batch 4 --lr 0.01 --epochs 1 --overwrite --out run"
    succeeds $colour --mean imagenet
    tr -d ' \n' <run/run.json | grep -q '"mean":\[0.485,0.456,0.406\],"std":\[0.229,0.224,0.225\]' || fail "imagenet"
    succeeds $colour --mean imagenet --std 0.5
    tr -d ' \n' <run/run.json | grep -q '"std":\[0.5,0.5,0.5\]' || fail "--std is the user's"
    refuses 2 "read them as colour: --channels 3" find --mean imagenet
    refuses 2 "--mean" find --mean imagenets
}

bad_weights_are_refused() {
    refuses 3 "nosuch" find --model simplecnn --weights nosuch
    : >w
    bad_weights w
    printf 'abc' >w
    bad_weights w
    { le64 1000000000000; printf '{}'; } >w
    bad_weights w
    { printf '\377\377\377\377\377\377\377\377'; printf '{}'; } >w
    bad_weights w
    tensors w 'not json' 32
    bad_weights w
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,64]}}' 32
    bad_weights fc.weight
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[32,0]}}' 32
    bad_weights fc.weight
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,5],"data_offsets":[0,40]}}' 40
    bad_weights fc.weight
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,30]}}' 32
    bad_weights fc.weight
    tensors w '{"fc.weight":{"dtype":"I64","shape":[2,4],"data_offsets":[0,64]}}' 64
    bad_weights fc.weight
    tensors w '{"other":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}' 32
    bad_weights fc.weight
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},"more":{"dtype":"F32","shape":[1],"data_offsets":[32,36]}}' 36
    bad_weights more
    tensors w '{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},"more":{"dtype":"F32","shape":[2],"data_offsets":[28,36]}}' 36
    bad_weights overlap
    header='{"fc.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}'
    { le64 ${#header}; printf '%s\000\000\300\177' "$header"; head -c 28 /dev/zero; } >w
    bad_weights "fc.weight (1 NaN and 0 infinite of 8)"
    deep=$(head -c 100000 /dev/zero | tr '\0' '[')
    tensors w "$deep" 8
    bad_weights w
}
