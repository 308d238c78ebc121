import sys
from catdog.augmentations._augmentation import Augmentation
from catdog.data import pipeline
from catdog.augmentations.random_crop_flip import RandomCropFlip
def test_x():
    print(Augmentation is pipeline.Augmentation, Augmentation.crop_box is pipeline.Augmentation.crop_box, RandomCropFlip.__mro__[1] is Augmentation)
    class D(Augmentation):
        pass
    print(D.crop_box is Augmentation.crop_box, D.crop_box, Augmentation.crop_box)
    print(pipeline._decoder.__globals__["Augmentation"] is Augmentation)
    d = D(image_size=3)
    print(type(d).crop_box is Augmentation.crop_box)
